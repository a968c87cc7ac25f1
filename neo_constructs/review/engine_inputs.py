"""Ask the job engine's own functions whether a request is about another thing than the one before.

The only file of the library that imports the Lambda's sources: what decides here is what decides
in the account. It is this library's copy of them, never the one inside an assembly under review.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from neo_constructs.lambda_folder import lambda_folder
from neo_constructs.review.cards import APPROVED, ARCHIVE, COMPILATION, RECOMMENDATION
from neo_constructs.review.verdicts import EVERY

if str(lambda_folder()) not in sys.path:
    sys.path.append(str(lambda_folder()))

from neo_jobs.cloudformation import Request
from neo_jobs.kinds import approved_package
from neo_jobs.kinds.job_apis import JOB_APIS
from neo_jobs.kinds.serving_archive import ArchiveSpec

ENGINE_TYPES: Final = frozenset({COMPILATION, RECOMMENDATION, ARCHIVE, APPROVED})
_WORDS: Final = {
    "model": "the model",
    "framework": "the framework or its version",
    "inputs": "the input shapes",
    "target": "the target",
    "options": "the compiler options",
    "key": "the key that encrypts the artifact",
    "output": "the artifact bucket",
    "type": "the type of the job",
    "payload": "the sample payload",
    "container": "the container or the candidates",
    "traffic": "the traffic",
    "endpoints": "what is measured",
    "tests": "the number of tests",
    "stopping": "the stopping conditions",
    "script": "the script, its entry point or the network isolation",
}


@dataclass(frozen=True, slots=True)
class EngineVerdict:
    """What the engine makes of a request that follows another of the same resource.

    Parameters
    ----------
    is_another
        Whether it makes another thing, with an id of its own: a job runs, an archive is written.
    differs_in
        The inputs in which the two differ, in words.
    new_answers
        The attributes that get another value though the thing stays.
    open_answers
        The attributes that may: the deploy looks, or chooses, again. ``EVERY`` for all.
    """

    is_another: bool
    differs_in: tuple[str, ...] = ()
    new_answers: frozenset[str] = frozenset()
    open_answers: frozenset[str] = frozenset()


def compare(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> EngineVerdict:
    """Return what the engine makes of the second of two sets of properties.

    Parameters
    ----------
    kind
        One of ``ENGINE_TYPES``.
    before, after
        Properties as the engine gets them: every scalar as text.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If properties are not those of such a resource.
    """
    if kind == ARCHIVE:
        return _compare_archives(before, after)
    if kind == APPROVED:
        is_same = _record_of(before) == _record_of(after)
        return EngineVerdict(False, open_answers=frozenset() if is_same else frozenset({EVERY}))
    fields = JOB_APIS[kind].immutable_fields
    old, new = fields(before), fields(after)
    differs = tuple(_WORDS.get(name, name) for name in new if old.get(name) != new[name])
    if differs:
        return EngineVerdict(True, differs)
    if kind == RECOMMENDATION and before.get("Selection") != after.get("Selection"):
        return EngineVerdict(False, open_answers=frozenset({EVERY}))
    if before.get("ExpectedInferenceImage") != after.get("ExpectedInferenceImage"):
        return EngineVerdict(False, open_answers=frozenset({"ImageMatchesCatalog"}))
    return EngineVerdict(False)


def _compare_archives(before: Mapping[str, Any], after: Mapping[str, Any]) -> EngineVerdict:
    specs = ArchiveSpec.of(before), ArchiveSpec.of(after)
    # Each lies in a folder that its content names.
    old, new = (spec.attributes(spec.content) for spec in specs)
    if specs[0].bucket != specs[1].bucket:
        return EngineVerdict(True, (_WORDS["output"],))
    if specs[0].content == specs[1].content:
        changed = frozenset(name for name in new if old[name] != new[name])
        return EngineVerdict(False, new_answers=changed)
    is_model = specs[1].is_inside and specs[0].model_url != specs[1].model_url
    return EngineVerdict(True, ("the compiled model",) if is_model else (_WORDS["script"],))


def _record_of(properties: Mapping[str, Any]) -> str:
    event = dict.fromkeys(("RequestId", "LogicalResourceId", "ResponseURL"), "")
    stack = "arn:aws:cloudformation:us-east-1:111122223333:stack/a/1-2-3-4-5"
    request = {**event, "RequestType": "Update", "StackId": stack}
    return approved_package.record_key(
        Request.parse({**request, "ResourceProperties": dict(properties)})
    )
