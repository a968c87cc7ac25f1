"""What a run has made, written down before it is made, so that all of it can be removed."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

JOB: Final = "compilation-job"
MODEL: Final = "model"
ENDPOINT_CONFIG: Final = "endpoint-config"
ENDPOINT: Final = "endpoint"
ROLE: Final = "role"
BUCKET: Final = "bucket"
STACK: Final = "stack"


@dataclass(frozen=True, slots=True)
class Made:
    """One thing: its kind, its name, and the region where that is another."""

    kind: str
    name: str
    region: str = ""


@dataclass
class Ledger:
    """A file of what a run has made, and of what its probes have answered.

    Parameters
    ----------
    file
        Where it is kept, so that a run which was killed can be resumed, or cleaned up.
    run_id
        The run's, which is in the tag of all that it makes.
    account
        Whose account it is. Default: not said.
    """

    file: Path
    run_id: str
    account: str = ""
    _made: dict[Made, None] = field(default_factory=dict)
    _answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def read(cls, file: Path) -> Ledger:
        """Return what a former run has written.

        Raises
        ------
        ValueError
            If it is no such file.
        """
        found = json.loads(file.read_text())
        try:
            made = {Made(**each): None for each in found["made"]}
            run_id, account = str(found["run_id"]), str(found["account"])
            return cls(file, run_id, account, made, dict(found["answers"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no ledger of a run: {error!r}") from None

    def note(self, kind: str, name: str, *, region: str = "") -> str:
        """Write down what is about to be made, and return its name."""
        with self._lock:
            self._made[Made(kind, name, region)] = None
            self._write()
        return name

    def gone(self, made: Made) -> None:
        """Write down that it is no more."""
        with self._lock:
            self._made.pop(made, None)
            self._write()

    def answered(self, probe: str, answer: Mapping[str, Any]) -> None:
        """Write down what a probe has found."""
        with self._lock:
            self._answers[probe] = answer
            self._write()

    @property
    def made(self) -> tuple[Made, ...]:
        """What there may still be, the newest first."""
        with self._lock:
            return tuple(reversed(self._made))

    @property
    def answers(self) -> Mapping[str, Mapping[str, Any]]:
        """What was found, by probe."""
        return dict(self._answers)

    def remove(self) -> None:
        """Remove the file: there is nothing left."""
        self.file.unlink(missing_ok=True)

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        text = {
            "run_id": self.run_id,
            "account": self.account,
            "made": [asdict(each) for each in self._made],
            "answers": self._answers,
        }
        new.write_text(json.dumps(text, indent=1, default=str) + "\n")
        new.replace(self.file)
