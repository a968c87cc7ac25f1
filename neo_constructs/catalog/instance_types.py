"""What an instance type has: storage of its own, an accelerator, credits for bursts."""

from __future__ import annotations

import re
from typing import Final

_FAMILY: Final = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.[a-z0-9]+")
# Amazon EC2 instance types guide, pages on each family: those with NVMe instance storage. A letter
# d after the generation says so; these have it without.
_WITH_LOCAL_STORAGE: Final = frozenset(
    {"g4dn", "g5", "g6", "g6e", "gr6", "p4d", "p4de", "p5", "p5e", "p5en", "trn1", "trn1n", "trn2"}
)
_LETTER_D: Final = re.compile(r"[a-z]+[0-9]+[a-z]*d[a-z]*")
_GRAVITON: Final = re.compile(r"[a-z]+[0-9]+g[a-z]*")
_BURSTABLE: Final = ("t2", "t3")
_ACCELERATED: Final = re.compile(r"(g|p|inf|trn)[0-9]")


def family_of(instance_type: str) -> str:
    """Return an instance type's family; empty for text that is none.

    Examples
    --------
    >>> family_of("ml.c5.large")
    'c5'
    """
    match = _FAMILY.fullmatch(instance_type)
    return match["family"] if match else ""


def has_local_storage(instance_type: str) -> bool:
    """Whether an instance type has NVMe storage, which its hardware encrypts.

    Examples
    --------
    >>> has_local_storage("ml.g4dn.xlarge"), has_local_storage("ml.c5d.large")
    (True, True)
    >>> has_local_storage("ml.p3.2xlarge"), has_local_storage("ml.c5.large")
    (False, False)
    """
    family = family_of(instance_type)
    return family in _WITH_LOCAL_STORAGE or bool(_LETTER_D.fullmatch(family))


def is_burstable(instance_type: str) -> bool:
    """Whether an instance type lives on credits, for which SageMaker does not scale.

    Examples
    --------
    >>> is_burstable("ml.t2.medium")
    True
    """
    return family_of(instance_type) in _BURSTABLE


def is_accelerated(instance_type: str) -> bool:
    """Whether an instance type has a GPU or one of AWS's accelerators.

    Examples
    --------
    >>> is_accelerated("ml.g4dn.xlarge"), is_accelerated("ml.c5.large")
    (True, False)
    """
    return bool(_ACCELERATED.match(family_of(instance_type)))


def is_inferentia1(instance_type: str) -> bool:
    """Whether an instance type is an Inf1, which several features of endpoints leave out."""
    return family_of(instance_type) == "inf1"


def is_graviton(instance_type: str) -> bool:
    """Whether an instance type has AWS's own ARM processors, which x86 images do not run on.

    Examples
    --------
    >>> is_graviton("ml.c7g.large"), is_graviton("ml.g5.xlarge"), is_graviton("ml.c5.large")
    (True, False, False)
    """
    return bool(_GRAVITON.fullmatch(family_of(instance_type)))


def has_gpu(instance_type: str) -> bool:
    """Whether an instance type has a GPU, whose load it then reports.

    Examples
    --------
    >>> has_gpu("ml.g5.xlarge"), has_gpu("ml.inf2.xlarge")
    (True, False)
    """
    return bool(re.match(r"[gp][0-9]", family_of(instance_type)))
