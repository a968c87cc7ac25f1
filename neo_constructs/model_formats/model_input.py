"""One input of a model, as its file states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_INPUTS: Final = 1_000  # more than any model has


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input of a model.

    Parameters
    ----------
    name
        Its name in the model.
    shape
        Its dimensions; a name or None where the file fixes no size. None if not even their number
        is fixed.
    dtype
        Its element type in NumPy's words, or ``unknown``.
    """

    name: str
    shape: tuple[int | str | None, ...] | None
    dtype: str

    @property
    def is_fixed(self) -> bool:
        """Whether it has dimensions, and each a size; Neo knows no scalars."""
        return bool(self.shape) and all(isinstance(d, int) and d > 0 for d in self.shape or ())
