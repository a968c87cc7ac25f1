"""How much work the reading of one path may take, whatever is in it."""

from __future__ import annotations

from typing import Final

from neo_constructs.findings.errors import NeoConstructsError

# Fields of protocol buffers, steps of pickles, dimensions: a few seconds. The largest models that
# are known have a tenth of it.
UNITS: Final = 4_000_000


class BudgetExceededError(NeoConstructsError, ValueError):
    """A file asks for more work than a model does."""


class Budget:
    """Counts work over all files of a path.

    Parameters
    ----------
    units
        Default: a few seconds' worth.

    Raises
    ------
    BudgetExceededError
        By ``spend``, when nothing is left.
    """

    def __init__(self, units: int = UNITS) -> None:
        self._left = units

    def spend(self, units: int = 1) -> None:
        """Take off some units."""
        self._left -= units
        if self._left < 0:
            raise BudgetExceededError("it asks for more work than a model does")
