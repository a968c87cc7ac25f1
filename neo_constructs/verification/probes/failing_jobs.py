"""What Neo says of jobs that must fail, against the hints and the static rules."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from neo_constructs.lambda_folder import lambda_folder
from neo_constructs.verification.answers import Answer, differs, held, unknown
from neo_constructs.verification.compilations import (
    FAMILIES,
    Compilation,
    ended,
    shown,
    start,
    start_request,
)
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import QUOTAS, evidence_of, judged

# What the corpus of the tests would send, written by tools/verification_data.py.
REQUESTS: Final = Path(__file__).parents[1] / "data" / "requests.json"


@dataclass(frozen=True, slots=True)
class Failing:
    """A job that must fail.

    Parameters
    ----------
    wanted
        What is asked for.
    rule
        The finding that the static rules have for it.
    hint
        Whether ``lambda/neo_jobs/hints.py`` means to know Neo's text.
    suffix
        What the input's key ends in. Default: ``.tar.gz``.
    is_error
        Whether the finding is an error; a job with a warning may complete. Default: True.
    """

    wanted: Compilation
    rule: str
    hint: bool
    suffix: str = ".tar.gz"
    is_error: bool = True


_PIXELS: Final = FAMILIES["ONNX"].shapes
_INPUT0: Final = FAMILIES["PYTORCH"].shapes
_TORCH: Final = (Path(__file__).parents[2] / "verification_stacks/models/digits.pth").read_bytes()

FAILING: Final[dict[str, Failing]] = {
    "wrong shape": Failing(
        Compilation(framework="ONNX", model="digits.onnx", shapes='{"pixels": [1, 1, 9, 9]}'),
        "data-input-config-contradicts-model",
        hint=False,
    ),
    "wrong layout": Failing(
        Compilation(
            framework="PYTORCH",
            version="2.0",
            model="digits.pth",
            shapes='{"input0": [1, 8, 8, 3]}',
        ),
        "data-input-config-layout",
        hint=False,
        is_error=False,
    ),
    "wrong input name": Failing(
        Compilation(framework="ONNX", model="digits.onnx", shapes='{"image": [1, 1, 8, 8]}'),
        "data-input-config-contradicts-model",
        hint=False,
    ),
    "wrong version": Failing(
        Compilation(framework="PYTORCH", version="1.10", model="digits.pth", shapes=_INPUT0),
        "framework-version",
        hint=False,
    ),
    "wrong framework": Failing(
        Compilation(framework="TENSORFLOW", version="2.9", model="digits.onnx", shapes=_PIXELS),
        "framework-contradicts-model",
        hint=True,
    ),
    "broken archive": Failing(
        Compilation(framework="ONNX", shapes=_PIXELS, raw=b"this is no archive"),
        "model-unreadable",
        hint=True,
    ),
    "not in an archive": Failing(
        Compilation(framework="PYTORCH", version="2.0", shapes=_INPUT0, raw=_TORCH),
        "model-unreadable",
        hint=False,
        suffix=".pth",
    ),
    "no model inside": Failing(
        Compilation(
            framework="PYTORCH", version="2.0", shapes=_INPUT0, files={"readme.txt": b"none"}
        ),
        "archive-no-model",
        hint=True,
    ),
    "two models inside": Failing(
        Compilation(
            framework="PYTORCH",
            version="2.0",
            shapes=_INPUT0,
            files={"a.pth": _TORCH, "b.pth": _TORCH},
        ),
        "model-ambiguous",
        hint=True,
    ),
    "no shapes": Failing(
        Compilation(framework="MXNET", model="mxnet"), "data-input-config-missing", hint=True
    ),
    "broken model": Failing(
        Compilation(
            framework="PYTORCH", version="2.0", shapes=_INPUT0, files={"model.pth": b"no model"}
        ),
        "model-unrecognised",
        hint=True,
    ),
    "framework not for target": Failing(
        Compilation(framework="ONNX", model="digits.onnx", shapes=_PIXELS, target="ml_inf2"),
        "framework-target",
        hint=False,
    ),
}


def failed_jobs(kit: Kit) -> dict[str, dict[str, Any]]:
    """Return how each failing job ended; probes share them."""

    def one(failing: Failing) -> dict[str, Any]:
        try:
            name = start(kit, failing.wanted, suffix=failing.suffix)
        except ClientError as error:
            if judged(error) != "ValidationException":
                raise
            return {"refused": True, **evidence_of(error)}
        return shown(ended(kit, name))

    def make() -> dict[str, dict[str, Any]]:
        with ThreadPoolExecutor(len(FAILING)) as pool:
            return dict(zip(FAILING, pool.map(one, FAILING.values()), strict=True))

    return kit.once("failing jobs", make)


def hints(kit: Kit) -> Answer:
    """Run 12 jobs that must fail, and look for hints to their reasons (A-NEO-15)."""
    hint_for = _hint_for()
    jobs = failed_jobs(kit)
    expected = [name for name, failing in FAILING.items() if failing.hint]
    said = {name: str(jobs[name].get("FailureReason") or "") for name in expected}
    failed = {name: reason for name, reason in said.items() if reason}
    without = [name for name, reason in failed.items() if not hint_for(reason)]
    if not failed:
        return unknown("None of these jobs has failed with a reason.", jobs=jobs)
    if without:
        return differs(f"No hint for: {', '.join(without)}.", reasons=said, jobs=jobs)
    return held(f"{len(failed)} reasons have a hint.", reasons=said, jobs=jobs)


def _hint_for() -> Callable[[str], str]:
    """Return the engine's own look-up: what is asked here is whether it knows today's texts."""
    file = lambda_folder() / "neo_jobs" / "hints.py"
    spec = importlib.util.spec_from_file_location("neo_verify_hints", file)
    assert spec  # noqa: S101 - the file is a part of this library
    assert spec.loader  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[str], str] = module.hint_for
    return found


def static_rules(kit: Kit) -> Answer:
    """Compare what Neo says of these and of the corpus with the static rules (A-NEO-16)."""
    jobs = failed_jobs(kit)
    compiled = [
        name
        for name, job in jobs.items()
        if FAILING[name].is_error and job.get("CompilationJobStatus") == "COMPLETED"
    ]
    asked = _asked(kit)
    refused_good = [one["title"] for one in asked if not one["is_bad"] and one["is_refused"]]
    agreed = [one["title"] for one in asked if one["is_bad"] and one["is_refused"]]
    open_ = [one["title"] for one in asked if one["is_bad"] and not one["is_refused"]]
    evidence = {"jobs": jobs, "requests": asked}
    if compiled or refused_good:
        said = (
            f"Compiled, though called an error: {', '.join(compiled) or 'none'}. Refused, though "
        )
        return differs(f"{said}called right: {', '.join(refused_good) or 'none'}.", **evidence)
    cut_off = [one["stopped"] for one in asked if "stopped" in one]
    if cut_off:
        said = f"After {len(asked) - 1} requests nothing more was asked: {cut_off[0]}"
        return unknown(said, **evidence)
    return held(
        f"{sum(f.is_error for f in FAILING.values())} jobs failed that must; of {len(asked)} "
        f"requests {len(agreed)} were refused at once as expected, and {len(open_)} would have "
        "failed later, if at all.",
        **evidence,
    )


def _is_for(region: str, one: dict[str, Any]) -> bool:
    """Whether a request means the same in a region: some targets are in few of them."""
    target = str(one["OutputConfig"].get("TargetDevice", ""))
    return one["is_bad"] or region == "us-east-1" or not target.startswith(("ml_inf", "ml_trn"))


def _asked(kit: Kit) -> list[dict[str, Any]]:
    """Send each request of the corpus, and stop at once what is accepted."""
    given = [one for one in json.loads(REQUESTS.read_text()) if _is_for(kit.region, one)]
    found = list[dict[str, Any]]()
    for one in given[::10] if kit.is_emulated else given:
        told = {"title": f"{one['about']}: {one['title']}", "is_bad": one["is_bad"]}
        try:
            name = start_request(kit, one["InputConfig"], one["OutputConfig"])
        except ClientError as error:
            if error.response["Error"]["Code"] in QUOTAS:  # what was asked before counts
                return [*found, {**told, "stopped": str(error), "is_refused": False}]
            if judged(error) != "ValidationException":
                raise
            found.append({**told, "is_refused": True, **evidence_of(error)})
            continue
        except ParamValidationError as error:  # by the service's own model, on this machine
            found.append({**told, "is_refused": True, "text": str(error)})
            continue
        found.append({**told, "is_refused": False})
        # It may have ended in between.
        with contextlib.suppress(ClientError):
            kit.client("sagemaker").stop_compilation_job(CompilationJobName=name)
    return found


PROBES: Final = (
    Probe(
        id="A-NEO-15",
        does=f"Runs {len(FAILING)} jobs that must fail, and looks for hints to their reasons.",
        run=hints,
        minutes=30,
    ),
    Probe(
        id="A-NEO-16",
        does="Compares the jobs of A-NEO-15, and requests of the tests' corpus, with the rules.",
        run=static_rules,
        minutes=40,
    ),
)
