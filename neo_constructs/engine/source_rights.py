"""The engine's rights on sources: what it copies, one statement for many objects of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aws_cdk import aws_iam as iam

from neo_constructs.engine.statements import allow, policy_statement

# All inline policies of a role hold 10,240 characters, and the engine's other rights take some
# 3,500; a managed policy holds 6,144 (IAM user guide, IAM and STS character quotas). The CDK would
# divide a large policy, too, but takes every ARN with a token in it for 100 characters.
INLINE_CHARACTERS: Final = 4_000
MANAGED_CHARACTERS: Final = 5_500
_STATEMENT: Final = 200  # what stands around the resources
_ROUND: Final = 60  # what stands around an ARN
_TOKEN: Final = "${Token["
_TOKEN_CHARACTERS: Final = 43  # how much longer than a token what it stands for may be: a bucket


@dataclass(slots=True)
class _Open:
    """The statements on a bucket's objects in one policy."""

    get: iam.PolicyStatement
    find: iam.PolicyStatement | None
    keys: list[str]


@dataclass(slots=True)
class _Policy:
    """A policy that still takes rights: how they are added, and how many characters are left."""

    add: Callable[[iam.PolicyStatement], object]
    left: int
    open: dict[tuple[str, str, bool], _Open] = field(default_factory=dict)


class SourceRights:
    """Rights to read objects, gathered by bucket: some in the role's own policy, then in others.

    Parameters
    ----------
    role
        Who gets them. The policies are its children, so that what depends on it waits for them.
    """

    def __init__(self, role: iam.Role) -> None:
        self._role = role
        self._known: set[tuple[str, str, str]] = set()
        self._policy = _Policy(role.add_to_policy, INLINE_CHARACTERS)
        self._number = 0

    def add(self, action: str, bucket_arn: str, key: str, *, is_listed: bool = True) -> bool:
        """Let the role read an object, and return whether its bucket is a new one.

        Parameters
        ----------
        action
            ``s3:GetObject`` or ``s3:GetObjectVersion``.
        bucket_arn, key
            The object, or a pattern of objects.
        is_listed
            Whether it may learn that the object is not there: S3 says 403 instead of 404 to whoever
            may not list.
        """
        if (action, bucket_arn, key) in self._known:
            return False
        is_new = all(arn != bucket_arn for _, arn, _ in self._known)
        self._known.add((action, bucket_arn, key))
        place = (action, bucket_arn, is_listed)
        is_open = place in self._policy.open
        size = _size(f"{bucket_arn}/{key}") + is_listed * _size(key)
        size += 0 if is_open else _STATEMENT + _size(bucket_arn)
        if size > self._policy.left:
            self._turn()
        self._policy.left -= size
        found = self._policy.open.get(place)
        if found:
            found.keys.append(key)
            found.get.add_resources(f"{bucket_arn}/{key}")
            if found.find:
                found.find.add_condition("StringLike", {"s3:prefix": found.keys})
        else:
            self._policy.open[place] = self._opened(action, bucket_arn, key, is_listed=is_listed)
        return is_new

    def _turn(self) -> None:
        """Begin another policy."""
        self._number += 1
        policy = iam.ManagedPolicy(self._role, f"Sources{self._number}", roles=[self._role])
        self._policy = _Policy(policy.add_statements, MANAGED_CHARACTERS)

    def _opened(self, action: str, bucket_arn: str, key: str, *, is_listed: bool) -> _Open:
        get = policy_statement(allow(actions=[action], resources=[f"{bucket_arn}/{key}"]))
        self._policy.add(get)
        if not is_listed:
            return _Open(get, None, [key])
        find = policy_statement(
            allow(
                actions=["s3:ListBucket"],
                resources=[bucket_arn],
                conditions={"StringLike": {"s3:prefix": key}},
            )
        )
        self._policy.add(find)
        return _Open(get, find, [key])


def _size(text: str) -> int:
    """Return how many characters a text takes at most, with what stands around it."""
    return len(text) + _TOKEN_CHARACTERS * text.count(_TOKEN) + _ROUND
