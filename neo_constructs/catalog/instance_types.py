"""What an instance type has: storage of its own, an accelerator, credits for bursts.

It goes by the family's name: Amazon EC2 instance types guide, naming conventions, and the pages of
the families with accelerators.
"""

from __future__ import annotations

import re
from typing import Final

from neo_constructs.catalog.target import INSTANCE_TYPE

# NVMe storage without a letter d that says so.
# Rests on A-HOST-12.
_WITH_LOCAL_STORAGE: Final = frozenset(
    {
        "dl1",
        "g5",
        "g6",
        "g6e",
        "g7",
        "g7e",
        "gr6",
        "p5",
        "p5e",
        "p5en",
        "p6-b200",
        "p6-b300",
        "p6e-gb200",
    }
    | {"trn1", "trn1n", "trn2"}
)
# Rests on A-HOST-12.
_LETTER_D: Final = re.compile(r"[a-z]+[0-9]+[a-z]*d[a-z]*")
_LETTER_G: Final = re.compile(r"[a-z]+[0-9]+g[a-z]*")
_ARM: Final = frozenset({"p6e-gb200"})  # NVIDIA's Grace processors
_BURSTABLE: Final = frozenset({"t2", "t3"})
_ACCELERATED: Final = re.compile(r"(g|gr|p|inf|trn|dl)[0-9].*")
_GPU: Final = re.compile(r"(g|gr|p)[0-9].*")


def family_of(instance_type: str) -> str:
    """Return an instance type's family; empty for text that is none.

    Examples
    --------
    >>> family_of("ml.c5.large")
    'c5'
    """
    match = INSTANCE_TYPE.fullmatch(instance_type)
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
    """Whether an instance type lives on credits; SageMaker does not scale such instances.

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
    return bool(_ACCELERATED.fullmatch(family_of(instance_type)))


def is_inferentia1(instance_type: str) -> bool:
    """Whether an instance type is an Inf1, which several features of endpoints leave out."""
    return family_of(instance_type) == "inf1"


def is_arm(instance_type: str) -> bool:
    """Whether an instance type has ARM processors, such as Graviton's; x86 images do not run there.

    Examples
    --------
    >>> is_arm("ml.c7g.large"), is_arm("ml.g5.xlarge"), is_arm("ml.c5.large")
    (True, False, False)
    """
    family = family_of(instance_type)
    return family in _ARM or bool(_LETTER_G.fullmatch(family))


def has_gpu(instance_type: str) -> bool:
    """Whether an instance type has a GPU, whose load it then reports.

    Examples
    --------
    >>> has_gpu("ml.g5.xlarge"), has_gpu("ml.inf2.xlarge")
    (True, False)
    """
    return bool(_GPU.fullmatch(family_of(instance_type)))
