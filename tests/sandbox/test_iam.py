"""Least privilege that suffices: as written it deploys, and nothing can be taken away.

``make test-iam`` takes away every right in turn; ``make test`` a few of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from neo_constructs.sandbox.emulator import sandbox
from tests.sandbox import iam
from tests.sandbox.account import Account
from tests.sandbox.iam import (
    COMPILER,
    ENGINE,
    LEFT,
    MACHINE,
    MODEL,
    RECOMMENDER,
    Grant,
    Variant,
)

FAST = {"NEO_SANDBOX_COMPILE_SECONDS": "3", "SFN_WAIT_SCALE": "0.02"}
IS_LONG = os.environ.get("NEO_TEST_IAM") == "all"
HANDFUL = {
    (ENGINE, "iam:PassRole"),
    (ENGINE, "sagemaker:StopCompilationJob"),
    (ENGINE, "s3:PutObject"),
    (COMPILER, "s3:AbortMultipartUpload"),
}

# What only removes what is not wanted any more: a refusal is named in the answer.
CLEANING = {
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
}

# What the emulator does not enforce, and why it is granted. Each is asserted on the template too.
LISTED = {
    (ENGINE, "logs:CreateLogStream"): "Lambda writes the function's log with its role "
    "(AWS Lambda developer guide, Sending function logs to CloudWatch Logs); the emulator "
    "writes it itself",
    (ENGINE, "logs:PutLogEvents"): "as above",
    (ENGINE, "lambda:InvokeFunction"): "Lambda hands over dropped events with the function's role "
    "(AWS Lambda developer guide, Capturing records of Lambda asynchronous invocations); the "
    "emulator has no destinations",
    (MACHINE, "lambda:InvokeFunction"): "Step Functions calls the function with the machine's "
    "role (Step Functions developer guide, IAM policies for Lambda); the emulator never "
    "assumes it",
    (MODEL, "ecr:GetAuthorizationToken"): "SageMaker pulls the image with the model's role "
    "(SageMaker developer guide, CreateModel API: execution role permissions); the emulator has "
    "no containers",
    (MODEL, "ecr:BatchCheckLayerAvailability"): "as above",
    (MODEL, "ecr:BatchGetImage"): "as above",
    (MODEL, "ecr:GetDownloadUrlForLayer"): "as above",
    **{
        (RECOMMENDER, f"ecr:{action}"): "the models that are measured act as the job's role"
        for action in (
            "GetAuthorizationToken",
            "BatchCheckLayerAvailability",
            "BatchGetImage",
            "GetDownloadUrlForLayer",
        )
    },
    **{
        (RECOMMENDER, f"sagemaker:{action}"): "which of its calls Inference Recommender makes is "
        "not documented (docs/assumptions.md)"
        for action in ("DescribeModel", "DescribeEndpointConfig", "AddTags")
    },
}


def is_truth_only(grant: Grant) -> bool:
    """Whether a right only makes an error true: it is listed too.

    S3 says 403, not 404, of a missing object to whoever may not list (API reference, HeadObject,
    Permissions); the emulator says 404 to all. tests/lifecycle has a fake that does as S3 does.
    """
    of_a_source = grant.resource.startswith("arn:<AWS::Partition>:s3:::")
    return (grant.role, grant.action) == (ENGINE, "s3:ListBucket") and of_a_source


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("iam") / "decisions"


@pytest.fixture(scope="module")
def account(log: Path) -> Iterator[Account]:
    environment = {**FAST, "NEO_SANDBOX_IAM_LOG": str(log)}
    with mock.patch.dict(os.environ, environment), sandbox(bootstrap=False) as running:
        yield Account(running)


@pytest.fixture(scope="module")
def variants(account: Account) -> list[Variant]:
    return iam.variants(account)


@pytest.fixture(scope="module")
def enforced(account: Account, variants: list[Variant], log: Path) -> set[tuple[str, str]]:
    """Lead every stack through its life with all rights; return what was asked."""
    with ThreadPoolExecutor(len(variants)) as pool:
        said = list(pool.map(lambda variant: iam.lead(account, variant), variants))
    assert said == [""] * len(variants)
    return iam.decisions(log)


def granted(variants: list[Variant]) -> dict[Grant, Variant]:
    """Return every right once, with the stack that has it."""
    found: dict[tuple[str, str, str], tuple[Grant, Variant]] = {}
    for variant in variants:
        for grant in iam.grants(variant.templates[0]):
            found.setdefault((grant.role, grant.action, grant.resource), (grant, variant))
    return dict(found.values())


def test_what_is_granted_is_asked_for_or_listed(
    variants: list[Variant], enforced: set[tuple[str, str]]
) -> None:
    rights = {(grant.role, grant.action) for grant in granted(variants)}
    assert rights - enforced == set(LISTED), "granted, never asked for, and not listed"
    assert not enforced & set(LISTED)


def test_a_right_that_is_taken_away_is_missed(
    account: Account, variants: list[Variant], enforced: set[tuple[str, str]]
) -> None:
    def missed(grant: Grant) -> str:
        """Return an empty text if a life without the right failed and named it.

        What only cleans up is no failure: without it something is left. Which of these rights is
        needed depends on whether the bucket keeps versions, so one bucket that misses it will do.
        """
        said, cleans_up = "", grant.action in CLEANING
        for variant in variants:
            twin = [
                g
                for g in iam.grants(variant.templates[0])
                if str(g) == str(grant)
                or (cleans_up and (g.role, g.action) == (grant.role, grant.action))
            ]
            if twin:
                try:
                    said = iam.lead(account, variant, twin[0])
                except AssertionError as error:
                    said = f"{variant.name}: {error}"
                if grant.action in said or (cleans_up and LEFT in said):
                    return ""
        return f"{grant}: {said or 'nothing failed'}"

    every = [g for g in granted(variants) if (g.role, g.action) in enforced]
    chosen = [g for g in every if IS_LONG or (g.role, g.action) in HANDFUL]
    chosen = [g for g in chosen if not is_truth_only(g)]
    assert len(chosen) >= len(HANDFUL)
    with ThreadPoolExecutor(4) as pool:
        unmissed = [text for text in pool.map(missed, chosen) if text]
    print(f"\nIAM: {len(granted(variants))} rights granted, {len(enforced)} enforced, "
          f"{len(chosen)} taken away, {len(chosen) - len(unmissed)} missed")  # fmt: skip
    assert not unmissed, "\n".join(unmissed)
