"""Sessions of roles with some rights, for probes that ask what a right is good for."""

from __future__ import annotations

import json
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from neo_constructs.verification import ledger
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.stack_names import ROLE_PATH

Statement = dict[str, Any]
POLICY: Final = "Rights"
_NEW: Final = 120.0  # seconds until a new role can be assumed


def trust_of(principal: Statement, condition: Statement | None = None) -> str:
    """Return a trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(kit: Kit, trust: str, statements: list[Statement]) -> tuple[str, str]:
    """Return the name and the ARN of a new role.

    Parameters
    ----------
    kit
        The run, which removes it.
    trust
        Who may assume it, as JSON.
    statements
        What it may do.
    """
    iam, name = kit.client("iam"), kit.note(ledger.ROLE, kit.name("role"))
    made = iam.create_role(
        RoleName=name, Path=ROLE_PATH, AssumeRolePolicyDocument=trust, Tags=kit.tags
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=document)
    return name, str(made["Role"]["Arn"])


def session_with(kit: Kit, statements: list[Statement]) -> boto3.Session:
    """Return a session that has some rights and no others.

    One role is made for all probes, with the rights on the kit's bucket, and the function waits
    until these take effect; each session is held to its own by a session policy, at once.
    """
    arn = kit.once("role of sessions", lambda: _role_of_sessions(kit))
    return assumed(kit, arn, json.dumps({"Version": "2012-10-17", "Statement": statements}))


def assumed(kit: Kit, role_arn: str, policy: str = "") -> boto3.Session:
    """Return a session of a role, which may be too new to be assumed at once.

    Parameters
    ----------
    kit
        The run.
    role_arn
        The role.
    policy
        Of the session, as JSON. Default: all that the role may.
    """

    def credentials() -> dict[str, Any] | None:
        given = {"RoleArn": role_arn, "RoleSessionName": "neo-verify"}
        try:
            made = kit.client("sts").assume_role(**given, **({"Policy": policy} if policy else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            return None
        return dict(made["Credentials"])

    found = kit.wait(credentials, seconds=_NEW, what="The right to assume a new role")
    return boto3.Session(
        found["AccessKeyId"],
        found["SecretAccessKey"],
        found["SessionToken"],
        region_name=kit.region,
    )


def _role_of_sessions(kit: Kit) -> str:
    bucket = kit.output("Plain")
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    caller = {"AWS": f"arn:aws:iam::{kit.account}:root"}
    may = [{"Effect": "Allow", "Action": "s3:*", "Resource": resources}]
    arn = make_role(kit, trust_of(caller), may)[1]
    s3 = assumed(kit, arn).client("s3")

    def has_effect() -> bool | None:
        try:
            s3.put_object(Bucket=bucket, Key="seen/control", Body=b"1")
            s3.list_objects_v2(Bucket=bucket, Prefix="seen/")
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"AccessDenied", "InvalidAccessKeyId"}:
                raise
            return None
        return True

    kit.wait(has_effect, seconds=_NEW, what="The effect of a new role's rights")
    return arn
