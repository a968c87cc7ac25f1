"""The ``neo`` context of cdk.json."""

from __future__ import annotations

from typing import Any

from neo_constructs.findings.finding import Finding
from neo_constructs.patterns.settings import Settings
from tests.corpus.case import Case, findings_of

ENDPOINT = {
    "name": "digits",
    "model_data": "digits.onnx",
    "target": "ml_c5",
    "instance_type": "ml.c5.large",
}


def context(
    about: str,
    title: str,
    given: dict[str, Any],
    *says: str,
    errors: tuple[str, ...] = (),
) -> Case:
    """Return a case about an app's whole context."""

    def attempt() -> list[Finding]:
        Settings.from_context(given)
        return []

    return Case(
        about=about,
        title=title,
        run=lambda _folder: findings_of(attempt),
        errors=errors,
        says=says,
    )


def wrong(code: str, title: str, given: Any, *says: str) -> Case:
    return context(code, title, {"neo": given}, *says, errors=(code,))


def one(**changes: Any) -> dict[str, Any]:
    values = {k: v for k, v in {**ENDPOINT, **changes}.items() if v is not None}
    return {"endpoints": [values]}


CASES = [
    context("setting-missing", "no context", {}, "docs/settings.md", errors=("setting-missing",)),
    wrong("setting-missing", "no endpoints", {}, "neo.endpoints"),
    wrong("setting-missing", "no target", one(target=None), "neo.endpoints[0].target"),
    context("setting-missing", "all there", {"neo": one()}),
    wrong("setting-unknown", "a slip", one(instance_typ="x"), "'instance_type'?"),
    wrong("setting-unknown", "of the stack", {**one(), "tag": {}}, "'tags'?"),
    context("setting-unknown", "of the command line", {"neo": one(), "neo.digit.target": "ml_m5"},
            "'digits'?", errors=("setting-unknown",)),
    context("setting-unknown", "known", {"neo": {**one(), "tags": {}}, "neo.digits.target": "ml_m5"}),
    wrong("setting-value", "a target", one(target="ml_c55"), "'ml_c55'", "'ml_c5'?"),
    wrong("setting-value", "a framework", one(framework="pytorch"), "says no version"),
    wrong("setting-value", "too long", one(max_runtime_minutes=46), "46", "from 1 to 45"),
    wrong("setting-value", "a list", one(model_data=["a"]), "text"),
    wrong("setting-value", "neither true nor false", one(unchecked=[]), "true, false"),
    wrong("setting-value", "a number without end", one(initial_instance_count="9" * 5000)),
    wrong("setting-value", "no options", one(compiler_options=7), "dtype"),
    wrong("setting-value", "not JSON", "{", "not JSON"),
    wrong("setting-value", "a policy", one(artifact_removal_policy="destroy"), "'DESTROY'?"),
    wrong("setting-value", "one construct twice",
          {"endpoints": [{**ENDPOINT, "name": "a-b"}, {**ENDPOINT, "name": "a--b"}]}, "'a--b'"),
    wrong("setting-value", "a script elsewhere", one(entry_point="../export.py"), "in the folder"),
    wrong("setting-value", "a dtype in text", one(compiler_options='{"dtype":"int99"')),
    wrong("setting-value", "a bucket", one(model_data="s3://bucket"), "name the object"),
    wrong("setting-value", "a URL", one(model_data="https://b.s3.amazonaws.com/m.tar.gz"), "S3 URI"),
    wrong("setting-value", "a script's URL", one(inference_code="https://x/y.tar.gz"), "S3 URI"),
    wrong("setting-value", "no image", one(image="my image"), "a registry's URI"),
    wrong("setting-value", "no policy", {**one(), "permissions_boundary": "arn:aws:iam::1:role/x"},
          "policy/<name>"),
    wrong("setting-value", "AWS's own tag", {**one(), "tags": {"aws:x": "y"}}, "which only AWS gives"),
    wrong("setting-value", "a version of the newest", one(framework="pytorch"), "'pytorch:2.0'"),
    context("setting-value", "a boundary", {"neo": {**one(), "permissions_boundary": "Team/x"}},
            errors=("setting-value",)),
    context("setting-value", "a boundary by its name", {"neo": {**one(), "permissions_boundary": "Team"}}),
    context("setting-value", "an image of a registry",
            {"neo": one(image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/image:1.0")}),
    context("setting-unknown", "without neo", {"neo": one(), "digits.target": "ml_c5"},
            "-c neo.digits.target=", errors=("setting-unknown",)),
    context("setting-unknown", "a capital", {"neo": one(), "Neo.digits.target": "ml_c5"},
            "-c neo.digits.target=", errors=("setting-unknown",)),
    context("setting-unknown", "another's key", {"neo": one(), "other.target": "x"}),
    context("setting-value", "at the edge", {"neo": one(max_runtime_minutes=45)}),
    context("setting-value", "text for a number", {"neo": one(), "neo.digits.max_runtime_minutes": "1"}),
]  # fmt: skip

MANY = [
    context("setting-value", "three at once",
            {"neo": one(target="ml_c55", initial_instance_count=0, endpoint_nam="x")},
            errors=("setting-value", "setting-value", "setting-unknown")),
]  # fmt: skip
