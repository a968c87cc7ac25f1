"""An instance type that is chosen at deploy, among some that are known at synth."""

from __future__ import annotations

from collections.abc import Iterable

from neo_constructs.engine.tokens import is_unresolved


class InstanceTypeChoice(str):
    """The text that stands for an instance type until it is chosen.

    It goes wherever the name of an instance type goes, and the rules that hold for a name are then
    checked for each candidate.

    Examples
    --------
    >>> InstanceTypeChoice("${Token[TOKEN.1]}", ["ml.c5.large", "ml.c5.xlarge"]).candidates
    ('ml.c5.large', 'ml.c5.xlarge')
    """

    candidates: tuple[str, ...]

    def __new__(cls, token: str, candidates: Iterable[str]) -> InstanceTypeChoice:
        """Return text with candidates.

        Parameters
        ----------
        token
            What CloudFormation replaces by the choice.
        candidates
            All that may be chosen; empty if that is not known.
        """
        made = super().__new__(cls, token)
        made.candidates = tuple(candidates)
        return made


def possible_types(instance_type: str) -> tuple[str, ...]:
    """Return all that an instance type may turn out to be; empty if that is not known.

    Examples
    --------
    >>> possible_types("ml.c5.large")
    ('ml.c5.large',)
    """
    if isinstance(instance_type, InstanceTypeChoice):
        return instance_type.candidates
    return () if is_unresolved(instance_type) else (instance_type,)
