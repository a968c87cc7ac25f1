"""Named faults of the engine, one for each row of the table of cases, and who notices them.

A test that cannot fail proves nothing. Each mutation below breaks one promise of the engine; the
simulation is run on it, and where that sees nothing, the other tests of the engine are. ``make
mutants`` runs them all and prints who caught what.
"""

from __future__ import annotations

import contextlib
import os
import re
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
OTHERS = ("tests/lifecycle", "tests/unit/test_cloudformation.py", "tests/unit/test_archive_writer.py",
          "tests/unit/test_transfer.py", "tests/unit/test_recommendation_choice.py", f"--ignore={SIMULATION}",
          "--ignore=tests/lifecycle/test_mutations.py")  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One fault.

    Parameters
    ----------
    row
        What it breaks.
    old, new
        What is replaced; the old text stands once in the engine, in whichever file.
    """

    row: str
    old: str
    new: str


MUTATIONS = (
    Mutation("a Create ends with the artifact",
             "if artifact and not seen.has_artifact:", "if False:"),
    Mutation("a completed job without an artifact fails after a few looks",
             "context.missing < CONSISTENCY_POLLS", "context.missing < 10_000"),
    Mutation("an Update with the same inputs compiles nothing",
             "    if seen.result:\n", "    if False:\n"),
    Mutation("an Update of tags reaches the job",
             "return _retag(request, seen.result, seen.tags) or Succeed(", "return Succeed("),
    Mutation("a tag that is taken away goes",
             "TagJob(result.arn, add, remove) if", "TagJob(result.arn, add, ()) if"),
    Mutation("an Update with another model compiles",
             'properties.get("InputObjectVersion") or ""]', '""]'),
    Mutation("an Update with another target compiles",
             '"target": output["TargetDevice"],', '"target": "",'),
    Mutation("the order of keys in JSON compiles nothing",
             '_parsed(model.get("DataInputConfig") or "")', 'model.get("DataInputConfig")'),
    Mutation("a Delete stops the running job",
             "        return _end(job_name(request), seen.job, context)",
             "        return Succeed(request.physical_id or '', {})"),
    Mutation('a Delete waits until the job has stopped',
             '    if seen.job and seen.job.status not in TERMINAL:\n        return _end',
             '    if seen.job and seen.job.can_stop:\n        return _end'),
    Mutation("a Delete removes the record",
             "    if seen.job and api_of(request).can_delete:\n        return DeleteJob()\n", ""),
    Mutation("artifacts are kept unless they are to be destroyed",
             'return request.properties.get("ArtifactRemovalPolicy") == "DESTROY"', "return True"),
    Mutation("DESTROY destroys",
             "if seen.has_leftovers and deletes_artifacts(request):", "if False:"),
    Mutation("DESTROY takes the job's own prefix only",
             'return job_names.record_key(request, name), job_names.output_folder(name)\n',
             'return job_names.record_key(request, name), name[:33]\n'),
    Mutation('a Delete by an invented id ends what runs',
             'for job in jobs if can_stop(job.status))',
             'for job in jobs if False)'),
    Mutation("a stopped job is waited for before the next",
             "if any(job.status not in TERMINAL for job in jobs):", "if False:"),
    Mutation("an id the engine never gave touches nothing",
             'if request.type == "Delete" and not job_names.owns_physical_id(request):', "if False:"),
    Mutation("a failed Update reports the new id",
             'if request.type == "Delete":\n            return request.physical_id or "none"\n        return job_names.job_name',
             'if request.physical_id:\n            return request.physical_id\n        return job_names.job_name'),
    Mutation('of two results the one in use is taken',
             '(name == request.physical_id, modified, key, name)',
             '(False, modified, key, name)'),
    Mutation('a rollback needs the artifact, not only the record of it',
             ' and self._has_artifact(api, result):',
             ':'),
    Mutation("a duplicate event is served once",
             'if code == "ExecutionAlreadyExists":', 'if code == "Nonsense":'),
    Mutation("a duplicate has the same execution",
             '{self.execution_prefix}{self.request_id}"', '{self.execution_prefix}{time.time()}"'),
    Mutation('a job that exists already is taken over',
             '        return context.soon()  # the job exists already',
             '        return 0'),
    Mutation("a redeploy after a failure starts afresh",
             "digest(request.request_id + attempt, 8)", "digest(attempt, 8)"),
    Mutation("a full quota is waited for",
             "        return QUOTA_SECONDS", "        return 0"),
    Mutation("throttling is waited for",
             'code in TRANSIENT_ERRORS or code.startswith(("5", "429", "Internal")) or "Throttl" in code',
             "False"),
    Mutation("a fault past the deadline leaves no job running",
             "context.is_past_grace if is_transient(code) else context.is_past_deadline", "context.is_past_deadline"),
    Mutation("a lost reply is a passing fault",
             'return "ConnectionError" if is_connection', 'return "Lost" if is_connection'),
    Mutation("'Could not find' means that there is none",
             '"Could not find" in str(error)', "False"),
    Mutation("a stop that comes too late is no fault",
             '_ENDED: Mapping[str, str] = {"ValidationException": "", "ResourceNotFound": ""}',
             '_ENDED: Mapping[str, str] = {}'),
    Mutation("an execution that has just ended needs no stop",
             'if error_code(error) != "ValidationException":', "if True:"),
    Mutation('a newer request supersedes',
             'if progress.is_superseded or is_superseded(request, executions, context.started):',
             'if False:'),
    Mutation('in one second a Delete comes last',
             'return (other.signed, other.type == "Delete", *theirs) > (',
             'return (other.signed, False, *theirs) > ('),
    Mutation('two requests of one second do not stop each other',
             'theirs, ours = (execution.began, other.request_id), (began, request.request_id)',
             'theirs, ours = (1, ""), (0, "")'),
    Mutation('unsigned requests do not stop each other',
             'return is_running and (other.type != "Create", *theirs) > (request.type != "Create", *ours)',
             'return is_running and other.request_id != request.request_id'),
    Mutation("older executions are stopped",
             "return StopExecutions(running) if running else None", "return None"),
    Mutation("the last step of a stopped execution is waited for",
             "STRAGGLER_SECONDS = 160", "STRAGGLER_SECONDS = 0"),
    Mutation("a completed job that was not reported goes",
             "or job.name in unreported", "or False"),
    Mutation("what lives is not taken for unreported",
             "- {request.physical_id}", "- set()"),
    Mutation("the Delete of one id takes no files of another",
             "and not is_of_another:", "and True:"),
    Mutation("two Deletes of two ids are each for themselves",
             "and other.physical_id != request.physical_id", "and False"),
    Mutation("an answer that has just been given is not cut off",
             "    if running and context.polls == 0:", "    if False:"),
    Mutation("the last step is waited for once",
             " or quiet <= context.settled:", ":"),
    Mutation('a late Create without a signed time gives way',
             '(other.type != "Create", *theirs) > (request.type != "Create", *ours)',
             '(False, *theirs) > (False, *ours)'),
    Mutation('what a request that was overtaken has made is undone',
             '        if undoing is None:\n            return Fail(SUPERSEDED)',
             '        if undoing:\n            return Fail(SUPERSEDED)\n        if undoing is None:\n            return Fail(SUPERSEDED)'),
    Mutation('a request that fails leaves no job running',
             '        if isinstance(action, Fail):\n            action = self._given_up(request, action)\n',
             ''),
    Mutation("an error of the service's that has no name passes",
             "if status >= 500", "if False"),
    Mutation("a record that is gone already needs no Delete",
             '_GONE: Mapping[str, str] = {"ResourceNotFound": "", "ValidationException": "Could not find"}',
             '_GONE: Mapping[str, str] = {}'),
    Mutation('in a bucket that is gone there is nothing left',
             'code in {"NoSuchBucket", "AccessDenied"}',
             'code in {"AccessDenied"}'),
    Mutation("what S3 does not delete for now is deleted later",
             'if e.get("Code") not in _TRANSIENT', "if True"),
    Mutation("a failed job's record goes with the next request",
             'job.status in {"FAILED", "STOPPED"} or', "False or"),
    Mutation("a completed job that may be live is kept",
             'job.status in {"FAILED", "STOPPED"} or', "True or"),
    Mutation("an input copy of an older request goes",
             "    if inputs:\n        return DiscardInputs(inputs)\n", ""),
    Mutation('what was never reported is destroyed too',
             'if written and deletes_artifacts(request)',
             'if False'),
    Mutation("the copy is of the bytes that were seen",
             "                CopySourceIfMatch=source.etag,\n                Bucket",
             "                Bucket"),
    Mutation("the copy is of the version that was asked for",
             '{"VersionId": self.version} if self.version else {}', "{}"),
    Mutation("the parts of a large copy are of one model",
             "                CopySourceIfMatch=source.etag,\n                CopySourceRange",
             "                CopySourceRange"),
    Mutation("a large copy is whole",
             "min(start + length, source.size) - 1)", "start + length // 2)"),
    Mutation("what is large is copied in parts",
             "if source.size <= self._sizes.whole_copy:", "if True:"),
    Mutation("a step leaves to the worker what takes long",
             "            transfer.require_worker()\n", ""),
    Mutation('a worker may do what takes long',
             'Budget(self._now() + WORK_LIMIT, is_worker=True)',
             'Budget(self._now() + WORK_LIMIT)'),
    Mutation("an upload that fails is aborted",
             "        if isinstance(error, Exception):\n            self._abort()\n", ""),
    Mutation("an upload that cannot be completed is aborted",
             "            except Exception:\n                self._abort()\n"
             "                raise\n        self._threads",
             "            except Exception:\n                raise\n        self._threads"),
    Mutation("no part is on its way when an upload is aborted",
             "        self._has_failed = True\n"
             "        self._threads.shutdown(cancel_futures=True)\n",
             "        self._has_failed = True\n"),
    Mutation("a try that was killed, or whose reply was lost, leaves no upload",
             "        s3_objects.abort_uploads(self._s3, bucket, key, keep=self._upload_id)\n", ""),
    Mutation("what an older request writes is aborted",
             "found = abort_older(", "found = False and abort_older("),
    Mutation("what an older request copies is aborted",
             "        found = uploads.abort_older(\n",
             "        found = False and uploads.abort_older(\n"),
    Mutation('uploads to the buckets of older requests are aborted',
             '    for bucket in former_buckets(request, older, bucket_of):\n',
             '    for bucket in ():\n'),
    Mutation('copies in the buckets of older requests are removed',
             '        buckets = uploads.former_buckets(request, older, job_names.bucket)\n',
             '        buckets = ()\n'),
    Mutation("a transfer ends before the function does",
             "        if self.now() >= self.until:\n", "        if False:\n"),
    Mutation("what was overtaken is not completed",
             "        if self.is_superseded():\n", "        if False:\n"),
    Mutation("the abort leaves nothing half-written",
             "            s3_objects.abort_uploads(self._s3, _bucket(request), own_folder(request))",
             "            pass"),
    Mutation('the abort leaves no half of a copy',
             '                s3_objects.abort_uploads(self._s3, job_names.bucket(request), key)\n',
             '                pass\n'),
    Mutation("a part that another try has aborted is no failure",
             '        "NoSuchUpload",  # another try', '        # another try'),
    Mutation('another script is another archive',
             '[model_url if is_inside else "", script_content, checked]',
             '[model_url if is_inside else "", checked]'),
    Mutation('another compile is another archive',
             '[model_url if is_inside else "", script_content, checked]',
             '[script_content, checked]'),
    Mutation('what is checked is checked again when it changes',
             '[model_url if is_inside else "", script_content, checked]',
             '[model_url if is_inside else "", script_content]'),
    Mutation("a rollback finds the archive of before",
             "is_new = request.type == \"Create\"", "is_new = True"),
    Mutation("a Create takes no archive of a former life",
             "is_new = request.type == \"Create\"", "is_new = False"),
    Mutation("an archive is kept unless it is to be destroyed",
             "if is_ours and deletes_artifacts(request) else", "if is_ours else"),
    Mutation("an archive that is to be destroyed goes",
             "if is_ours and deletes_artifacts(request) else", "if False else"),
    Mutation("a Create nobody heard of is destroyed",
             'if other.type == "Create")', "if False)"),
    Mutation("what a former life has kept is not destroyed",
             "if request.type != \"Delete\" or is_ours or not deletes_artifacts(request):",
             "if request.type != \"Delete\" or is_ours:"),
    Mutation("the script is looked for before anything is served",
             "        _check(script, names)\n", ""),
    Mutation("an archive that is cut off is not served",
             "            while plain.read(BLOCK_BYTES):\n                pass\n", ""),
    Mutation("a damaged header does not end an archive in silence",
             ', mode="r|", tarinfo=_Member)', ', mode="r|")'),
    Mutation("a script in the artifact gives way",
             'if name.split("/")[0] != CODE:', "if True:"),
    Mutation("a connection that breaks costs a range",
             "READ_TRIES = 3", "READ_TRIES = 1"),
    Mutation("the archive is of the bytes that were seen",
             "IfMatch=self._source.etag, ", ""),
    Mutation("a source replaced before the copy is looked at again",
             '        "PreconditionFailed",  # the', "        # the"),
    Mutation("the input copy goes when the job has ended",
             "    if job.status in TERMINAL and seen.has_input:\n        return DiscardInput()\n",
             ""),
    Mutation("the input copy goes before the result is on record",
             "    if seen.has_input:\n        return DiscardInput()\n    result", "    result"),
    Mutation("a failure comes with its cause first",
             'return f"{cause}{advice} Job {name} {job.status}; log group {api.log_group}."',
             'return f"Job {name} {job.status}; log group {api.log_group}. {cause}{advice}"'),
    Mutation("a failure names the log", "; log group {api.log_group}.", "."),
    Mutation("a job stopped from outside is a failure",
             '(job.status in TERMINAL and not context.is_past_deadline)', "False"),
    Mutation("a role that is too young gets a second try",
             "RetryUnderNewName(RETRY_SECONDS, job.reason) if may_retry else Fail", "Fail"),
    Mutation("only one second try",
             'job.status != "FAILED" or request.attempt or', 'job.status != "FAILED" or'),
    Mutation('a job that takes for ever is stopped',
             '        return StopJob()\n    done =',
             '        pass\n    done ='),
    Mutation("there is an answer within the hour",
             "return self.now >= self.deadline\n", "return False\n"),
    Mutation("a job that will not stop is answered for",
             "return self.now >= self.deadline + STOP_GRACE_SECONDS", "return False"),
    Mutation("an unknown status is waited out",
             "    if not context.is_past_deadline:\n        return Wait(context",
             "    if job.status == 'INPROGRESS':\n        return Wait(context"),
    Mutation('newer properties are refused with the reason',
             'if request.type == "Delete" or str(version) in KNOWN_VERSIONS:',
             'if True:'),
    Mutation('a Delete needs only the id',
             'if request.type == "Delete" or str(version) in KNOWN_VERSIONS:',
             'if str(version) in KNOWN_VERSIONS:'),
    Mutation('no response URL reaches a log or a reason',
             '_QUERY.sub(r"\\1?(redacted)", text)',
             'text'),
    Mutation("an event is logged without its response URL",
             '{**event, "ResponseURL": "(redacted)"}', "{**event}"),
    Mutation("no response is over 4,096 bytes",
             "if len(encoded) > MAX_RESPONSE_BYTES:", "if False:"),
    Mutation("a reason is cut on a character",
             'decode(errors="ignore") + "..."', 'decode() + "..."'),
    Mutation("a reason has no control characters",
             '_CONTROL.sub(" ", without_secrets(text))', "without_secrets(text)"),
    Mutation('a dead response URL is no fault',
             'and error.code in _NO_LONGER:',
             'and False:'),
    Mutation('one refusal of an answer is not the last word',
             '            if attempt == attempts:\n                # One',
             '            if attempt == attempts or isinstance(error, urllib.error.HTTPError):\n                # One'),
    Mutation("an answer is sent again when it got lost",
             "attempt, attempts = 1, 5", "attempt, attempts = 1, 1"),
    Mutation('a young right to start is waited for',
             'if code == "AccessDeniedException":\n                    patience',
             'if False:\n                    patience'),
    Mutation('a young right is waited for',
             'return IAM_SECONDS if in_grace and is_about_rights(code, message) else 0',
             'return 0'),
    Mutation('a right that never comes is not waited for',
             'return IAM_SECONDS if in_grace and is_about_rights(code, message) else 0',
             'return IAM_SECONDS if is_about_rights(code, message) else 0'),
    Mutation("an event past its deadline creates nothing",
             '    if context.is_past_deadline:\n        cause = f": {context.why}" if context.why else ""\n        return Fail(f"No {api',
             '    if False:\n        cause = f": {context.why}" if context.why else ""\n        return Fail(f"No {api'),
    Mutation("the deadline counts from the time that is signed",
             "(started if signed is None else min(started, signed))", "started"),
    Mutation("an engine that breaks stops the job",
             "                self._stop(request, name)\n            finally:",
             "                pass\n            finally:"),
    Mutation('an engine that breaks answers',
             '        self._answer(request, self._given_up(request, Fail(reason)))\n        return {"Version"',
             '        return {"Version"'),
    Mutation("names are in lower case, as IAM compares them",
             "base64.b32encode(hashed).decode().lower()", "base64.b32encode(hashed).decode()"),
    Mutation("names begin with the stack's prefix",
             'f"neo-{groups[0]}{groups[-1]}"', 'f"neo-{groups[-1]}{groups[0]}"'),
    Mutation('a Delete needs no right on the bucket',
             'code in {"NoSuchBucket", "AccessDenied"}',
             'code in {"NoSuchBucket"}'),
    Mutation('an event that was dropped is answered',
             'case {"requestPayload": dropped}:\n                return self.open(dropped, is_last=True)',
             'case {"requestPayload": _}:\n                return {}'),
    Mutation('an event that cannot be served yet is delivered again',
             'if is_transient(code_of(error)) and not is_last:',
             'if False:'),
    Mutation('an execution that ends unanswered is answered for',
             'found["status"] != "SUCCEEDED" and not is_ours:',
             'False:'),
    Mutation('what a newer request has stopped is not answered for',
             ' != "SUCCEEDED" and not is_ours:',
             ' != "SUCCEEDED":'),
    Mutation('an answer that cannot be delivered is tried for an hour',
             '            return Wait(ANSWER_SECONDS, f"CloudFormation',
             '            return Fail(f"CloudFormation'),
    Mutation('a request that never ends is answered',
             'if is_at_end and not isinstance(action, Succeed | Fail):',
             'if False:'),
    Mutation('what S3 refuses to delete is no failure',
             '        return replace(progress, kept=kept), Wait(context.soon(), "S3 keeps something")',
             '        return progress, Fail("S3 keeps something")'),
    Mutation('what S3 keeps is named',
             'if kept else ""',
             'if False else ""'),
    Mutation('what S3 keeps is not tried for ever',
             '        return key.startswith(self.kept)',
             '        return False'),
    Mutation('leftovers do not fill the state',
             'if len(kept) > MAX_KEPT:',
             'if False:'),
    Mutation('a Delete is served however large it is',
             'if event["RequestType"] != "Delete":\n        return None\n    properties',
             'if True:\n        return None\n    properties'),
    Mutation('what is too large is said',
             'if len(json.dumps(event)) <= MAX_EVENT_BYTES:',
             'if True:'),
    Mutation('a damaged record is rebuilt',
             'if seen.result and seen.is_record_damaged:',
             'if False:'),
    Mutation("a job's own answer wins over its record",
             'result = job_result.Result.of(name, job) if job else recorded',
             'result = recorded'),
    Mutation('a recorded image must come from a known registry',
             'if (job or api.is_trusted(request, result.fields)) and',
             'if'),
    Mutation("a recorded artifact must be the job's own",
             'if result is None or not _is_of_job(request, result, name):',
             'if result is None:'),
    Mutation('a recorded artifact does not lead out of its folder',
             '    return is_its and ".." not in artifact.split("/")\n',
             '    return is_its\n'),
    Mutation('a Create takes no result of a former resource',
             'own if request.type == "Create" else folder',
             'folder'),
    Mutation('the copy is under the key that was asked for',
             'transfer.copy(transfer.find(source_uri, version), bucket, key, key_id=key_id)',
             'transfer.copy(transfer.find(source_uri, version), bucket, key, key_id="")'),
    Mutation('the record is under the key that was asked for',
             '                **s3_objects.encryption(key_id),\n            )\n        case DeleteObjects',
             '            )\n        case DeleteObjects'),
    Mutation('the served archive is under the key that was asked for',
             'key_id = str(properties.get("KmsKeyId") or "")',
             'key_id = ""'),
    Mutation("to name the bucket's key compiles nothing",
             'return properties.get("KmsKeyIsBucketDefault") == "true"',
             'return False'),
    Mutation('a Delete waits for a Create that is not listed yet',
             '            or wait_for_listing(request, context)\n', ''),
    Mutation('a Delete by a known id does not wait for one',
             'if request.type != "Delete" or is_known:', 'if request.type != "Delete":'),
    Mutation('the wait for a listing ends',
             'if left <= 0 or until <= context.settled:', 'if until <= context.settled:'),
    Mutation('a chosen recommendation is a candidate',
             'return not self.instance_types or instance_type', 'return True or instance_type'),
    Mutation('limits come before the objective',
             '            self.excess(recommendation),\n', ''),
    Mutation('of the contents of a version, not of its ARN, a measurement depends',
             'properties.get("ModelContents") or given', 'given'),
    Mutation('a catalog that grows measures nothing',
             '[] if properties.get("CandidatesAreOfTarget") == "true" else sorted(types)',
             'sorted(types)'),
    Mutation('another payload is another measurement',
             '[properties.get("PayloadFingerprint") or url, payload]', '[url, payload]'),
    Mutation('numbers of a measurement are sent as numbers',
             'return int(value) if name in _INTEGERS else value', 'return value'),
    Mutation('a record that does not read as recommendations is not believed',
             '    is_trusted=is_well_formed,', '    is_trusted=lambda *_: True,'),
    Mutation('a revision finds what it has found before',
             '    if seen.recorded:\n', '    if False:\n'),
    Mutation('only a version that was made is served',
             'if each["ModelPackageStatus"] == "Completed"', 'if True'),
    Mutation('a look-up that is deleted leaves no note',
             '        if seen.has_leftovers:\n            return actions.DestroyArtifacts()\n        return actions.Succeed(request.physical_id or "none", {})\n    if seen.recorded',
             '        return actions.Succeed(request.physical_id or "none", {})\n    if seen.recorded'),
    Mutation('a Delete by an invented id leaves the notes of what lives',
             'if not bucket or request.physical_id != folder:', 'if not bucket:'),
    Mutation('a job of an unknown status is stopped',
             'return status not in {*TERMINAL, "STOPPING", "DELETING"}',
             'return status in {"STARTING", "INPROGRESS"}'),
    Mutation('a job that is only starting is stopped',
             'return status not in {*TERMINAL, "STOPPING", "DELETING"}',
             'return status not in {*TERMINAL, "STOPPING", "DELETING", "STARTING"}'),
    Mutation('steps do not follow each other at once for ever',
             'return 1 if self.polls < SOON_POLLS else FAULT_SECONDS',
             'return 1'),
    Mutation('young credentials are waited for',
             '        "UnrecognizedClientException",\n',
             ''),
    Mutation('expired credentials are waited for',
             '        "ExpiredToken",\n',
             ''),
    Mutation('an operation that S3 has aborted is tried again',
             '        "OperationAborted",\n',
             ''),
    Mutation('only what was stopped or broke is waited for',
             'if e.ended and e.status != "SUCCEEDED"',
             'if e.ended and e.status == "ABORTED"'),
    Mutation('a worker ends before Lambda ends it',
             'WORK_LIMIT = 770',
             'WORK_LIMIT = 1_770'),
    Mutation('an answer has no content type',
             'headers={"Content-Type": ""}',
             'headers={"Content-Type": "application/json"}'),
    Mutation('a refused listing of its own bucket fails a request',
             '            if not may_ignore_bucket_error(request, error_code(error)):\n                raise\n    for bucket',
             '            pass\n    for bucket'),
    Mutation('an abort takes nothing of another request',
             's3_objects.abort_uploads(self._s3, _bucket(request), own_folder(request))',
             's3_objects.abort_uploads(self._s3, _bucket(request), archive_prefix(request))'),
    Mutation('after a 403 the key itself is looked for, not what begins like it',
             'if not any(k == key for k, _ in keys(s3, bucket, key)):',
             'if not any(keys(s3, bucket, key)):'),
    Mutation('the script is checked before the model is read',
             '        _check(script, names)\n        if open_model:\n            _add_model(archive, open_model, go_on)\n',
             '        if open_model:\n            _add_model(archive, open_model, go_on)\n        _check(script, names)\n'),
    Mutation('a header of any size is not read',
             'if self.size < 0 or (self.type in _EXTENSIONS and self.size > MAX_HEADER_BYTES):',
             'if False:'),
    Mutation('headers without end are not read',
             'if depth > MAX_HEADERS:',
             'if False:'),
    Mutation('a member outside of the archive is not served',
             '            if _is_outside(name):\n                raise PermanentError(f"The compiled',
             '            if False:\n                raise PermanentError(f"The compiled'),
    Mutation('a link out of the archive is not served',
             '    if _is_outside(target) or _goes',
             '    if _goes'),
    Mutation('nothing is begun while executions cannot be listed',
             '            if progress.lists_failed and isinstance(action, BEGINNINGS):',
             '            if False:'),
    Mutation('what runs is watched while executions cannot be listed',
             '            if not (progress.is_fenced and is_transient(code_of(error))):\n',
             '            if True:\n'),
    Mutation('a description that is behind is asked for again',
             '        if found["status"] == "RUNNING":\n',
             '        if False:\n'),
    Mutation('what lies in a link is not served',
             '            if _goes_through(name, links):\n',
             '            if False:\n'),
    Mutation('a name longer than any path is not served',
             '    if len(name) > MAX_NAME:',
             '    if False:'),
    Mutation('a set-user-id bit is not served',
             '    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644\n',
             ''),
    Mutation('members without end are not read',
             '            if count == MAX_MODEL_MEMBERS:\n',
             '            if False:\n'),
    Mutation('a clock is asked for every member',
             '        for count, member in enumerate(members):\n            go_on()\n            if count == MAX_MODEL',
             '        for count, member in enumerate(members):\n            if count == MAX_MODEL'),
    Mutation("a part's checksum is handed in",
             'known = {checksum: reply[checksum]} if checksum in reply else {}',
             'known: dict[str, str] = {}'),
)  # fmt: skip


def mutated(mutation: Mutation, folder: Path) -> Path:
    """Write the engine with a fault in it, and return where."""
    copy = folder / "lambda"
    shutil.copytree(ROOT / "lambda", copy, ignore=shutil.ignore_patterns("__pycache__"))
    pattern = however_wrapped(mutation.old)
    texts = {file: file.read_text() for file in sorted((copy / "neo_jobs").rglob("*.py"))}
    times = {file: len(pattern.findall(text)) for file, text in texts.items()}
    found = {file.name: number for file, number in times.items() if number}
    assert sum(found.values()) == 1, f"{mutation.row}: not once in the engine, but {found}"
    (file,) = [file for file, number in times.items() if number]
    changed = pattern.sub(lambda _: mutation.new, texts[file])
    compile(changed, file.name, "exec")
    file.write_text(changed)
    return copy


def however_wrapped(text: str) -> re.Pattern[str]:
    """Return what finds a piece of code, however a formatter has broken its lines."""
    body = text.strip()
    before, after = text[: text.index(body)], text[text.index(body) + len(body) :]
    words = [re.escape(word).replace(r"\(", r"\(\s*") for word in body.split()]
    pattern = r"\s+".join(words)
    closed = re.sub(r"\\\)", r",?\\s*\\)", pattern)
    return re.compile(re.escape(before) + closed + re.escape(after))


def fails(engine: Path, *arguments: str) -> bool:
    """Whether tests fail on an engine; one that hangs them fails them."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return _fails(engine, *arguments)
    return True


def _fails(engine: Path, *arguments: str) -> bool:
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
    """Run all, or those whose row holds an argument's text, and print who caught what."""
    wanted = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not wanted or any(text in m.row for text in wanted)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(caught_by, chosen))
    for mutation, who in zip(chosen, results, strict=True):
        print(f"{who or 'NOBODY':22} {mutation.row}")
    by_simulation = sum("simulation" in who for who in results)
    print(
        f"{len(chosen)} mutations, {sum(map(bool, results))} caught, "
        f"{by_simulation} of them by the simulation ({LIVES} lives)"
    )
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
