"""The engine's rights that come with its jobs: mostly on sources, gathered by bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aws_cdk import aws_iam as iam

from neo_constructs.engine.asked_once import pseudo
from neo_constructs.engine.statements import Statement, allow, policy_statement

# All inline policies of a role hold 10,240 characters, and the engine's other rights take some
# 3,500; a managed policy holds 6,144 (IAM user guide, IAM and STS character quotas). The CDK would
# divide a large policy, too, but takes every ARN with a token in it for 100 characters.
INLINE_CHARACTERS: Final = 4_000
MANAGED_CHARACTERS: Final = 5_500
_STATEMENT: Final = 200  # what stands around the resources
_ROUND: Final = 5  # what stands around an ARN
_PARTITION: Final = "aws-us-gov"  # the longest
_UNKNOWN: Final = "${Token["
# How much longer than a token what it stands for may be: arn:aws-us-gov:s3::: and a bucket's 63
# characters are 83, ${Token[TOKEN.16]} is 18.
_UNKNOWN_CHARACTERS: Final = 65


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


class JobRights:
    """Rights that are added as jobs are: some in the role's own policy, then in others.

    Parameters
    ----------
    role
        Who gets them. The policies are its children, so that what depends on it waits for them.
    policy
        The role's own policy.
    """

    def __init__(self, role: iam.Role, policy: iam.Policy) -> None:
        self._role = role
        self._known: set[tuple[str, str, str]] = set()
        self._policy = _Policy(policy.add_statements, INLINE_CHARACTERS)
        self._number = 0

    def add(self, given: Statement) -> None:
        """Give the role one right more."""
        self._take(_STATEMENT + sum(_size(text) for text in _texts(given)))
        self._policy.add(policy_statement(given))

    def add_object(self, action: str, bucket_arn: str, key: str, *, is_listed: bool = True) -> None:
        """Let the role read an object.

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
            return
        self._known.add((action, bucket_arn, key))
        place = (action, bucket_arn, is_listed)
        more = _size(f"{bucket_arn}/{key}") + is_listed * _size(key)
        whole = more + (1 + is_listed) * _STATEMENT + is_listed * _size(bucket_arn)
        # What does not fit begins another policy, in which its statements are not open yet.
        is_added = place in self._policy.open and more <= self._policy.left
        self._take(more if is_added else whole)
        found = self._policy.open.get(place)
        if found:
            found.keys.append(key)
            found.get.add_resources(f"{bucket_arn}/{key}")
            if found.find:
                found.find.add_condition("StringLike", {"s3:prefix": found.keys})
        else:
            self._policy.open[place] = self._opened(action, bucket_arn, key, is_listed=is_listed)

    def _take(self, size: int) -> None:
        """Take so many characters of a policy, and begin another one if they are not left."""
        if size <= self._policy.left:
            self._policy.left -= size
            return
        self._number += 1
        policy = iam.ManagedPolicy(self._role, f"Sources{self._number}", roles=[self._role])
        self._policy = _Policy(policy.add_statements, MANAGED_CHARACTERS - size)

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
    known = text.replace(pseudo("PARTITION"), _PARTITION)
    return len(known) + _UNKNOWN_CHARACTERS * known.count(_UNKNOWN) + _ROUND


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts of a statement."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    else:
        for each in value:
            yield from _texts(each)
