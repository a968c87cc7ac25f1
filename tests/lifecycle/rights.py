"""What a role may do, by the policies of a synthesized template.

The templates are resolved as CloudFormation would, and the policies evaluated as IAM would, as far
as the engine's use them: an unknown function, operator or effect is an error.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ACCOUNT, REGION = "123456789012", "eu-west-1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:engine"


@dataclass(frozen=True)
class Need:
    """One thing that a call must be allowed to do."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rights:
    """The statements in force for one role."""

    statements: tuple[tuple[frozenset[str], tuple[str, ...], tuple[tuple[str, str], ...]], ...]


@functools.lru_cache(maxsize=100_000)
def allowed(rights: Rights, need: Need) -> bool:
    """Whether a statement allows it."""
    context = dict(need.context)
    return any(
        need.action in actions
        and any(matches(pattern, need.resource) for pattern in resources)
        and all(matches(wanted, context.get(key, "")) for key, wanted in conditions)
        for actions, resources, conditions in rights.statements
    )


NONE = Rights(())


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of IAM's matches: ``*`` and ``?`` only, and case matters."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


@dataclass(frozen=True)
class Policies:
    """The statements of each policy for one role, by the policy's logical id."""

    by_id: tuple[tuple[str, Rights], ...]

    @property
    def rights(self) -> Rights:
        """Return all of them together."""
        return Rights(tuple(each for _, rights in self.by_id for each in rights.statements))

    def with_leaving(self, other: Policies) -> Policies:
        """Return these, and those of another template that these have not.

        CloudFormation changes a policy before what depends on it. One that a template no longer has
        is deleted after all that depends on it.
        """
        own = {name for name, _ in self.by_id}
        leaving = tuple(each for each in other.by_id if each[0] not in own)
        return Policies((*self.by_id, *leaving))


NO_POLICIES = Policies(())


def policies_of(template: Json, role: str, resolve: Callable[[Any], Any]) -> Policies:
    """Return what the policies of a template let a role do, by the start of its logical id."""
    found = []
    for name, resource in template["Resources"].items():
        if resource["Type"] not in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            continue
        roles = [r["Ref"] for r in resource["Properties"]["Roles"]]
        if any(each.startswith(role) for each in roles):
            statements = resource["Properties"]["PolicyDocument"]["Statement"]
            found.append((name, Rights(tuple(_statement(resolve(s)) for s in statements))))
    return Policies(tuple(found))


def _statement(statement: Json) -> Any:
    assert statement["Effect"] == "Allow"
    assert set(statement) <= {"Effect", "Action", "Resource", "Condition", "Sid"}
    conditions = []
    for operator, tests in statement.get("Condition", {}).items():
        assert operator in {"StringEquals", "StringLike"}
        for key, wanted in tests.items():
            if isinstance(wanted, str):
                conditions.append((key, wanted))
    return (
        frozenset(_listed(statement["Action"])),
        tuple(_listed(statement["Resource"])),
        tuple(conditions),
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


# --- what each call needs -------------------------------------------------------------------

# Source: Service Authorization Reference, pages of Amazon S3, SageMaker and Step Functions.


def needs(operation: str, parameters: Mapping[str, Any]) -> list[Need]:
    """Return what a call of the engine's must be allowed to do."""
    return _NEEDS[operation](parameters)


def _object(action: str) -> Callable[[Mapping[str, Any]], list[Need]]:
    return lambda p: [
        Need(
            f"s3:{action}Version" if p.get("VersionId") else f"s3:{action}",
            f"arn:aws:s3:::{p['Bucket']}/{p['Key']}",
        )
    ]


def _listing(action: str) -> Callable[[Mapping[str, Any]], list[Need]]:
    return lambda p: [
        Need(f"s3:{action}", f"arn:aws:s3:::{p['Bucket']}", (("s3:prefix", p["Prefix"]),))
    ]


def _copy(p: Mapping[str, Any]) -> list[Need]:
    return [
        *_object("GetObject")(p["CopySource"]),
        Need("s3:PutObject", f"arn:aws:s3:::{p['Bucket']}/{p['Key']}"),
    ]


def _delete_all(p: Mapping[str, Any]) -> list[Need]:
    return [
        need
        for item in p["Delete"]["Objects"]
        for need in _object("DeleteObject")({"Bucket": p["Bucket"], **item})
    ]


def _job(action: str) -> Callable[[Mapping[str, Any]], list[Need]]:
    def found(p: Mapping[str, Any]) -> list[Need]:
        is_compilation = "CompilationJobName" in p
        kind = "compilation-job" if is_compilation else "inference-recommendations-job"
        name = str(p.get("CompilationJobName") or p.get("JobName")).lower()
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"
        return [Need(f"sagemaker:{action}", p.get("ResourceArn") or arn)]

    return found


def _create(p: Mapping[str, Any]) -> list[Need]:
    passing = (("iam:PassedToService", "sagemaker.amazonaws.com"),)
    kind = "Compilation" if "CompilationJobName" in p else "InferenceRecommendations"
    return [
        *_job(f"Create{kind}Job")(p),
        *(_job("AddTags")(p) if p.get("Tags") else []),
        Need("iam:PassRole", p["RoleArn"], passing),
    ]


def _machine(action: str) -> Callable[[Mapping[str, Any]], list[Need]]:
    return lambda p: [Need(f"states:{action}", p.get("executionArn") or p["stateMachineArn"])]


_NEEDS: dict[str, Callable[[Mapping[str, Any]], list[Need]]] = {
    "HeadObject": _object("GetObject"),
    "GetObject": _object("GetObject"),
    "PutObject": _object("PutObject"),
    "DeleteObject": _object("DeleteObject"),
    "CopyObject": _copy,
    "CreateMultipartUpload": _object("PutObject"),
    "UploadPart": _object("PutObject"),
    "UploadPartCopy": _copy,
    "CompleteMultipartUpload": _object("PutObject"),
    "AbortMultipartUpload": _object("AbortMultipartUpload"),
    "ListMultipartUploads": lambda p: [
        Need("s3:ListBucketMultipartUploads", f"arn:aws:s3:::{p['Bucket']}")
    ],
    "DeleteObjects": _delete_all,
    "ListObjectsV2": _listing("ListBucket"),
    "ListObjectVersions": _listing("ListBucketVersions"),
    "CreateCompilationJob": _create,
    "CreateInferenceRecommendationsJob": _create,
    "ListInferenceRecommendationsJobs": lambda _: [
        Need("sagemaker:ListInferenceRecommendationsJobs", "*")
    ],
    "ListModelPackages": lambda _: [Need("sagemaker:ListModelPackages", "*")],
    "ListCompilationJobs": lambda _: [Need("sagemaker:ListCompilationJobs", "*")],
    **{
        name: _job(name)
        for name in (
            "DescribeCompilationJob",
            "StopCompilationJob",
            "DeleteCompilationJob",
            "DescribeInferenceRecommendationsJob",
            "StopInferenceRecommendationsJob",
            "AddTags",
            "ListTags",
            "DeleteTags",
        )
    },
    **{
        name: _machine(name)
        for name in ("StartExecution", "ListExecutions", "DescribeExecution", "StopExecution")
    },
}


# --- CloudFormation's functions -------------------------------------------------------------


def resolver(template: Json, stack_id: str, names: Mapping[str, str]) -> Callable[[Any], Any]:
    """Return a function that resolves a template's values.

    Parameters
    ----------
    template
        What the values are of.
    stack_id
        The stack's.
    names
        Physical names by logical id, where they matter; the logical id stands in elsewhere.
    """
    pseudo = {
        "AWS::StackId": stack_id,
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NoValue": "",
    }
    resources = template["Resources"]

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, argument) = next(iter(value.items()))
            if key == "Ref":
                return pseudo.get(argument) or reference(argument)
            if key.startswith("Fn::"):
                return functions[key](argument)
        return {k: resolve(v) for k, v in value.items()}

    def reference(logical_id: str) -> str:
        kind = resources[logical_id]["Type"]
        name = names.get(logical_id, logical_id)
        return _ARNS[kind].format(name) if kind == "AWS::StepFunctions::StateMachine" else name

    def attribute(argument: list[str]) -> str:
        logical_id, wanted = argument
        name = names.get(logical_id, logical_id)
        return _ARNS[resources[logical_id]["Type"]].format(name) if wanted == "Arn" else name

    functions: dict[str, Callable[[Any], Any]] = {
        "Fn::GetAtt": attribute,
        "Fn::Join": lambda a: str(a[0]).join(resolve(a[1])),
        "Fn::Select": lambda a: resolve(a[1])[int(a[0])],
        "Fn::Split": lambda a: resolve(a[1]).split(a[0]),
    }
    return resolve


_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{}}",
}


def as_text(value: Any) -> Any:
    """Return properties as CloudFormation sends them: every scalar is text."""
    if isinstance(value, dict):
        return {k: as_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return {True: "true", False: "false"}.get(value, str(value)) if value is not None else None
