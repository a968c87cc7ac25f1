"""Whose turn it is, by weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Shares:
    """Whose turn it is, so that each variant gets its share of the requests.

    The service draws by the weights; here they take turns, which gives the same shares exactly
    (smooth weighted round-robin, as nginx has it).

    Parameters
    ----------
    weights
        By the variant's name. One of 0 gets none, unless all are.

    Examples
    --------
    >>> shares = Shares({"a": 3, "b": 1})
    >>> [shares.next() for _ in range(4)]
    ['a', 'a', 'b', 'a']
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        total = sum(weights.values())
        self._weights = dict(weights) if total else dict.fromkeys(weights, 1.0)
        self._credit = dict.fromkeys(weights, 0.0)
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return the variant that gets the next request."""
        with self._lock:
            for name, weight in self._weights.items():
                self._credit[name] += weight
            chosen = max(self._credit, key=lambda name: self._credit[name])
            self._credit[chosen] -= sum(self._weights.values())
            return chosen
