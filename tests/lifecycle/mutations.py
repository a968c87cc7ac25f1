"""Named faults of the engine, one for each row of the table of cases, and who notices them.

A test that cannot fail proves nothing. Each mutation below breaks one promise of the engine; the
simulation is run on it, and where that sees nothing, the other tests of the engine are. ``make
mutants`` runs them all and prints who caught what.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIVES = "300"
SIMULATION = "tests/lifecycle/test_simulation.py"
OTHERS = ("tests/lifecycle", "tests/unit/test_cloudformation.py", "tests/unit/test_repack.py",
          "tests/unit/test_transfer.py", f"--ignore={SIMULATION}",
          "--ignore=tests/lifecycle/test_mutations.py")  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One fault.

    Parameters
    ----------
    row
        What it breaks.
    file
        Below ``lambda/neo_jobs``.
    old, new
        What is replaced; the old text stands there once.
    """

    row: str
    file: str
    old: str
    new: str


RECONCILE, FENCE, JOBS = "reconcile.py", "fence.py", "compilation.py"
SPEC, HANDLER, CFN, STORAGE = "job_spec.py", "handler.py", "cloudformation.py", "storage.py"
TRANSFER, ARCHIVES, REPACK = "transfer.py", "serving_archive.py", "repack.py"

MUTATIONS = (
    Mutation("a Create ends with the artifact", RECONCILE,
             "if not seen.has_artifact:", "if False:"),
    Mutation("a completed job without an artifact fails after a few looks", RECONCILE,
             "clock.missing < CONSISTENCY_POLLS", "clock.missing < 10_000"),
    Mutation("an Update with the same inputs compiles nothing", RECONCILE,
             "    if seen.result:\n", "    if False:\n"),
    Mutation("an Update of tags reaches the job", RECONCILE,
             "return _retag(request, seen.result, seen.tags) or Succeed(", "return Succeed("),
    Mutation("a tag that is taken away goes", RECONCILE,
             "TagJob(result.arn, add, remove) if", "TagJob(result.arn, add, ()) if"),
    Mutation("an Update with another model compiles", SPEC,
             'properties.get("InputObjectVersion") or ""]', '""]'),
    Mutation("an Update with another target compiles", SPEC,
             '"target": output["TargetDevice"],', '"target": "",'),
    Mutation("the order of keys in JSON compiles nothing", SPEC,
             '_parsed(model.get("DataInputConfig") or "")', 'model.get("DataInputConfig")'),
    Mutation("a Delete stops the running job", RECONCILE,
             "        return _end(job_name(request), seen.job, clock)",
             "        return Succeed(request.physical_id or '', {})"),
    Mutation("a Delete waits until the job has stopped", RECONCILE,
             "    if seen.job and seen.job.status not in TERMINAL:\n        return _end",
             "    if seen.job and seen.job.status in RUNNING:\n        return _end"),
    Mutation("a Delete removes the record", RECONCILE,
             "    if seen.job:\n        return DeleteJob()\n", ""),
    Mutation("artifacts are kept unless they are to be destroyed", SPEC,
             'return request.properties.get("ArtifactRemovalPolicy") == "DESTROY"', "return True"),
    Mutation("DESTROY destroys", RECONCILE,
             "if seen.has_leftovers and destroys(request):", "if False:"),
    Mutation("DESTROY takes the job's own prefix only", JOBS,
             'storage.destroy(self._s3, bucket, f"{name}/")',
             'storage.destroy(self._s3, bucket, name[:33])'),
    Mutation("a Delete by an invented id ends what runs", FENCE,
             "for job in jobs if job.status in RUNNING)", "for job in jobs if False)"),
    Mutation("a stopped job is waited for before the next", FENCE,
             "if any(job.status not in TERMINAL for job in jobs):", "if False:"),
    Mutation("an id the engine never gave touches nothing", JOBS,
             'if request.type == "Delete" and not spec.is_ours(request):', "if False:"),
    Mutation("a failed Update reports the new id", JOBS,
             'if request.type == "Delete":\n            return request.physical_id or "none"',
             'if request.physical_id:\n            return request.physical_id'),
    Mutation("of two results the one in use is taken", JOBS,
             'key == f"{request.physical_id}/{RESULT_KEY}"', "False"),
    Mutation("a rollback needs the artifact, not only the record of it", JOBS,
             "            if self._exists(result.artifact):\n", "            if result:\n"),
    Mutation("a duplicate event is served once", HANDLER,
             'if code == "ExecutionAlreadyExists":', 'if code == "Nonsense":'),
    Mutation("a duplicate has the same execution", CFN,
             '{self.execution_prefix}{self.request_id}"', '{self.execution_prefix}{time.time()}"'),
    Mutation("a job that exists already is taken over", RECONCILE,
             "        return SOON  # the job exists already", "        return 0"),
    Mutation("a job of other inputs is never taken over", RECONCILE,
             "_differing(request, seen.job) or _follow", "_follow"),
    Mutation("a redeploy after a failure starts afresh", SPEC,
             "digest(request.request_id + attempt, 8)", "digest(attempt, 8)"),
    Mutation("a full quota is waited for", RECONCILE,
             "        return QUOTA_SECONDS", "        return 0"),
    Mutation("throttling is waited for", RECONCILE,
             'code in PASSING or code.startswith(("5", "429", "Internal")) or "Throttl" in code',
             "False"),
    Mutation("a fault past the deadline leaves no job running", RECONCILE,
             "clock.is_overdue if is_passing(code) else clock.is_late", "clock.is_late"),
    Mutation("a lost reply is a passing fault", HANDLER,
             'return "ConnectionError" if is_passing', 'return "Lost" if is_passing'),
    Mutation("'Could not find' means that there is none", JOBS,
             '"Could not find" in str(error)', "False"),
    Mutation("a stop that comes too late is no fault", JOBS,
             'not in {"ValidationException", "ResourceNotFound"}', "not in set()"),
    Mutation("an execution that has just ended needs no stop", HANDLER,
             'if storage.error_code(error) != "ValidationException":', "if True:"),
    Mutation("a newer request supersedes", FENCE,
             "    if is_superseded(request, others):", "    if False:"),
    Mutation("in one second a Delete comes last", FENCE,
             '(other.signed, other.type == "Delete") > order', "(other.signed, False) > order"),
    Mutation("older executions are stopped", FENCE,
             "return StopExecutions(running) if running else None", "return None"),
    Mutation("the last step of a stopped execution is waited for", FENCE,
             "STEP_SECONDS = 160 ", "STEP_SECONDS = 0 "),
    Mutation("a completed job that was not reported goes", FENCE,
             "or job.name in unreported", "or False"),
    Mutation("what lives is not taken for unreported", FENCE,
             "- {request.physical_id}", "- set()"),
    Mutation("the Delete of one id takes no files of another", FENCE,
             "and not is_of_another:", "and True:"),
    Mutation("two Deletes of two ids are each for themselves", FENCE,
             "and other.physical_id != request.physical_id", "and False"),
    Mutation("an answer that has just been given is not cut off", FENCE,
             "    if running and clock.polls == 0:", "    if False:"),
    Mutation("the last step is waited for once", FENCE,
             "    if clock.has_settled:", "    if False:"),
    Mutation("a late Create without a signed time gives way", FENCE,
             'elif request.type == "Create" != other.type', 'elif False'),
    Mutation("before a job is made, newer requests are looked for again", HANDLER,
             "if self._is_superseded(request):\n                    resource",
             "if False:\n                    resource"),
    Mutation("a request that fails leaves no job running", HANDLER,
             "            if isinstance(action, core.Fail):\n                self._abandon",
             "            if False:\n                self._abandon"),
    Mutation("an error of the service's that has no name passes", HANDLER,
             "if status >= 500", "if False"),
    Mutation("a record that is gone already needs no Delete", JOBS,
             "            if not _is_missing(error):\n                raise\n\n    def stop",
             "            raise error\n\n    def stop"),
    Mutation("in a bucket that is gone there is nothing left", SPEC,
             'return code == "NoSuchBucket" or (', "return False or ("),
    Mutation("what S3 does not delete for now is deleted later", STORAGE,
             'if e.get("Code") not in _PASSING', "if True"),
    Mutation("a failed job's record goes with the next request", FENCE,
             'job.status in {"FAILED", "STOPPED"} or', "False or"),
    Mutation("a completed job that may be live is kept", FENCE,
             'job.status in {"FAILED", "STOPPED"} or', "True or"),
    Mutation("an input copy of an older request goes", FENCE,
             "    if inputs:\n        return DiscardInputs(inputs)\n", ""),
    Mutation("what was never heard of is destroyed too", FENCE,
             "if unreported and destroys(request)", "if False"),
    Mutation("the copy is of the bytes that were seen", TRANSFER,
             "                CopySourceIfMatch=source.etag,\n                Bucket",
             "                Bucket"),
    Mutation("the copy is of the version that was asked for", TRANSFER,
             '{"VersionId": self.version} if self.version else {}', "{}"),
    Mutation("the parts of a large copy are of one model", TRANSFER,
             "                CopySourceIfMatch=source.etag,\n                CopySourceRange",
             "                CopySourceRange"),
    Mutation("a large copy is whole", TRANSFER,
             "min(start + length, source.size) - 1)", "start + length // 2)"),
    Mutation("what is large is copied in parts", TRANSFER,
             "if source.size <= self._sizes.whole_copy:", "if True:"),
    Mutation("a step leaves to the worker what takes long", ARCHIVES,
             "                self._transfer.need_worker()\n", ""),
    Mutation("a worker may do what takes long", HANDLER,
             "budget = Budget(self._now(), WORK_LIMIT, is_worker=True)",
             "budget = Budget(self._now(), WORK_LIMIT, is_worker=False)"),
    Mutation("a machine of an older release has no worker", HANDLER,
             'is_worker=not event.get("HasWorker")', "is_worker=False"),
    Mutation("an upload that fails is aborted", TRANSFER,
             "        if isinstance(error, Exception):\n            self._abort()\n", ""),
    Mutation("an upload that cannot be completed is aborted", TRANSFER,
             "            except Exception:\n                self._abort()\n"
             "                raise\n        self._threads",
             "            except Exception:\n                raise\n        self._threads"),
    Mutation("no part is on its way when an upload is aborted", TRANSFER,
             "        self._has_failed = True\n"
             "        self._threads.shutdown(cancel_futures=True)\n",
             "        self._has_failed = True\n"),
    Mutation("a try that was killed, or whose reply was lost, leaves no upload", TRANSFER,
             "        storage.abort_uploads(self._s3, bucket, key, keep=self._upload_id)\n", ""),
    Mutation("what an older request writes is aborted", ARCHIVES,
             "found = abort_older(", "found = False and abort_older("),
    Mutation("what an older request copies is aborted", JOBS,
             "        found = fence.abort_older(\n",
             "        found = False and fence.abort_older(\n"),
    Mutation("the buckets of older requests are looked into", FENCE,
             "[own, *map(bucket_of, [former, *older])]", "[own]"),
    Mutation("a transfer ends before the function does", HANDLER,
             "        if self.now() >= self.until:\n", "        if False:\n"),
    Mutation("nothing is begun that nobody waits for", HANDLER,
             "        if self.now() > self.begin_by:\n", "        if False:\n"),
    Mutation("what was overtaken is not completed", HANDLER,
             "        if self.is_superseded():\n", "        if False:\n"),
    Mutation("what was overtaken leaves no copy", JOBS,
             "        storage.delete(self._s3, bucket, key)\n\n    def _abort", "\n    def _abort"),
    Mutation("the abort leaves nothing half-written", ARCHIVES,
             "            storage.abort_uploads(self._s3, _bucket(request), own_folder(request))",
             "            pass"),
    Mutation("the abort leaves no half of a copy", JOBS,
             '                storage.abort_uploads(self._s3'
             ', spec.bucket(request), f"{name}/{INPUT_KEY}")',
             "                pass"),
    Mutation("a part that another try has aborted is no failure", RECONCILE,
             '        "NoSuchUpload",  # another try', '        # another try'),
    Mutation("another script is another archive", ARCHIVES,
             "content = [model_url if is_inside else \"\", content, checked]",
             "content = [model_url if is_inside else \"\", checked]"),
    Mutation("another compile is another archive", ARCHIVES,
             "content = [model_url if is_inside else \"\", content, checked]",
             "content = [content, checked]"),
    Mutation("what is checked is checked again when it changes", ARCHIVES,
             "content = [model_url if is_inside else \"\", content, checked]",
             "content = [model_url if is_inside else \"\", content]"),
    Mutation("a rollback finds the archive of before", ARCHIVES,
             "is_new = request.type == \"Create\"", "is_new = True"),
    Mutation("a Create takes no archive of a former life", ARCHIVES,
             "is_new = request.type == \"Create\"", "is_new = False"),
    Mutation("an archive is kept unless it is to be destroyed", ARCHIVES,
             "if is_ours and destroys(request) else", "if is_ours else"),
    Mutation("an archive that is to be destroyed goes", ARCHIVES,
             "if is_ours and destroys(request) else", "if False else"),
    Mutation("a Create nobody heard of is destroyed", ARCHIVES,
             'if other.type == "Create")', "if False)"),
    Mutation("what a former life has kept is not destroyed", ARCHIVES,
             "if request.type != \"Delete\" or is_ours or not destroys(request):",
             "if request.type != \"Delete\" or is_ours:"),
    Mutation("the script is looked for before anything is served", REPACK,
             "        _check(script, names)\n", ""),
    Mutation("an archive that is cut off is not served", REPACK,
             "            while plain.read(BLOCK_BYTES):\n                pass\n", ""),
    Mutation("a damaged header does not end an archive in silence", REPACK,
             ', mode="r|", tarinfo=_Member)', ', mode="r|")'),
    Mutation("a script in the artifact gives way", REPACK,
             'if name.split("/")[0] != CODE:', "if True:"),
    Mutation("a connection that breaks costs a range", TRANSFER,
             "READ_TRIES = 3", "READ_TRIES = 1"),
    Mutation("the archive is of the bytes that were seen", TRANSFER,
             "IfMatch=self._source.etag, ", ""),
    Mutation("a source replaced before the copy is looked at again", RECONCILE,
             '        "PreconditionFailed",  # the', "        # the"),
    Mutation("the input copy goes when the job has ended", RECONCILE,
             "    if job.status in TERMINAL and seen.has_input:\n        return DiscardInput()\n",
             ""),
    Mutation("the input copy goes before the result is on record", RECONCILE,
             "    if seen.has_input:\n        return DiscardInput()\n    result", "    result"),
    Mutation("a failure comes with its cause first", RECONCILE,
             'return f"{cause}{advice} Job {name} {job.status}; log group {LOG_GROUP}."',
             'return f"Job {name} {job.status}; log group {LOG_GROUP}. {cause}{advice}"'),
    Mutation("a failure names the log", RECONCILE, "; log group {LOG_GROUP}.", "."),
    Mutation("a job stopped from outside is a failure", RECONCILE,
             '(job.status == "STOPPED" and not clock.is_late)', "False"),
    Mutation("a role that is too young gets a second try", RECONCILE,
             "StartOver(RETRY_SECONDS, job.reason) if is_passing else Fail", "Fail"),
    Mutation("only one second try", RECONCILE,
             'job.status != "FAILED" or request.attempt or', 'job.status != "FAILED" or'),
    Mutation("a job that takes for ever is stopped", RECONCILE,
             "        return StopJob()\n    return Fail(f\"The compilation",
             "        pass\n    return Fail(f\"The compilation"),
    Mutation("there is an answer within the hour", RECONCILE,
             "return self.now >= self.deadline\n", "return False\n"),
    Mutation("a job that will not stop is answered for", RECONCILE,
             "return self.now >= self.deadline + STOP_GRACE_SECONDS", "return False"),
    Mutation("an unknown status is waited out", RECONCILE,
             "    if not clock.is_late:\n        return Wait(clock",
             "    if job.status == 'INPROGRESS':\n        return Wait(clock"),
    Mutation("newer properties are refused with the reason", RECONCILE,
             'if request.type == "Delete" or version <= PROPERTIES_VERSION:', "if True:"),
    Mutation("a Delete needs only the id", RECONCILE,
             'if request.type == "Delete" or version <= PROPERTIES_VERSION:',
             "if version <= PROPERTIES_VERSION:"),
    Mutation("no response URL reaches a log or a reason", CFN,
             'return _QUERY.sub(r"\\1?(redacted)", text)', "return text"),
    Mutation("an event is logged without its response URL", CFN,
             '{**event, "ResponseURL": "(redacted)"}', "{**event}"),
    Mutation("no response is over 4,096 bytes", CFN,
             "if len(encoded) > MAX_RESPONSE_BYTES:", "if False:"),
    Mutation("a reason is cut on a character", CFN,
             'decode(errors="ignore") + "..."', 'decode() + "..."'),
    Mutation("a reason has no control characters", CFN,
             '_CONTROL.sub(" ", without_secrets(text))', "without_secrets(text)"),
    Mutation("a dead response URL is no fault", CFN, "and error.code in _NO_LONGER:", "and False:"),
    Mutation("an answer is sent again when it got lost", CFN,
             "attempt, attempts = 1, 5", "attempt, attempts = 1, 1"),
    Mutation("a young right to start is waited for", HANDLER,
             'core.is_passing(code) or code == "AccessDeniedException"', "core.is_passing(code)"),
    Mutation("a young right is waited for", RECONCILE,
             "return IAM_SECONDS if about_rights and in_grace else 0", "return 0"),
    Mutation("a right that never comes is not waited for", RECONCILE,
             "return IAM_SECONDS if about_rights and in_grace else 0",
             "return IAM_SECONDS if about_rights else 0"),
    Mutation("an event past its deadline creates nothing", RECONCILE,
             "    if clock.is_late:\n        cause", "    if False:\n        cause"),
    Mutation("the deadline counts from the time that is signed", CFN,
             "(started if signed is None else min(started, signed))", "started"),
    Mutation("an engine that breaks stops the job", JOBS,
             "                self.stop(name)\n            finally:",
             "                pass\n            finally:"),
    Mutation("an engine that breaks answers", HANDLER,
             "        self._answer(request, core.Fail(reason))\n", ""),
    Mutation("names are in lower case, as IAM compares them", CFN,
             "base64.b32encode(hashed).decode().lower()", "base64.b32encode(hashed).decode()"),
    Mutation("names begin with the stack's prefix", CFN,
             'f"neo-{groups[0]}{groups[-1]}"', 'f"neo-{groups[-1]}{groups[0]}"'),
    Mutation("a Delete of what is kept needs no right on the bucket", SPEC,
             'code == "AccessDenied" and not destroys(request)', "False"),
)  # fmt: skip


def mutated(mutation: Mutation, folder: Path) -> Path:
    """Write the engine with a fault in it, and return where."""
    copy = folder / "lambda"
    shutil.copytree(ROOT / "lambda", copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "neo_jobs" / mutation.file
    text = file.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.row}: not once in {mutation.file}"
    file.write_text(text.replace(mutation.old, mutation.new))
    return copy


def fails(engine: Path, *arguments: str) -> bool:
    """Whether tests fail on an engine."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
         "-o", f"pythonpath={engine} {ROOT}", *arguments],
        cwd=ROOT,
        env={**os.environ, "NEO_SIMULATED_LIVES": LIVES, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout[-2000:] + done.stderr[-2000:]
    return done.returncode == 1


def caught_by(mutation: Mutation) -> str:
    """Return who notices a fault; empty if nobody does."""
    with tempfile.TemporaryDirectory() as folder:
        engine = mutated(mutation, Path(folder))
        found = [
            name
            for name, arguments in (("simulation", (SIMULATION,)), ("tests", OTHERS))
            if fails(engine, *arguments)
        ]
    return " and ".join(found)


def main() -> int:
    """Run all, and print who caught what."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(caught_by, MUTATIONS))
    for mutation, who in zip(MUTATIONS, results, strict=True):
        print(f"{who or 'NOBODY':22} {mutation.row}")
    by_simulation = sum("simulation" in who for who in results)
    print(
        f"{len(MUTATIONS)} mutations, {sum(map(bool, results))} caught, "
        f"{by_simulation} of them by the simulation ({LIVES} lives)"
    )
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
