"""What probes work with: clients, names, results that they share, and a limit of time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.verification.ledger import Ledger
from neo_constructs.verification.stack_names import BASE, NAME_PREFIX, TAG

Value = TypeVar("Value")
_RETRIES: Final = Config(retries={"mode": "standard", "total_max_attempts": 8})


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a stack is not there, and whether it is its container that did not start."""

    why: str
    is_containers: bool = False


class OutOfTimeError(NeoConstructsError):
    """What was waited for did not come in time."""


class StoppedError(NeoConstructsError):
    """The run is being ended: nothing more is made, and nothing is waited for."""


class CannotSayError(NeoConstructsError):
    """A probe cannot be run here; the text says why."""


@dataclass
class Kit:
    """A run in an account.

    Parameters
    ----------
    session
        The credentials and the region.
    ledger
        Where is written what it makes.
    is_emulated
        Whether it is the sandbox that it runs in.
    pace
        What the seconds between two questions are multiplied with. Default: 1; the sandbox is
        asked more often.
    until
        When the time of the run is over, by ``time.monotonic``. Default: never.
    missing
        Why stacks are not there, by name. Default: all are.
    stopped
        Set where the run is being ended.
    """

    session: boto3.Session
    ledger: Ledger
    is_emulated: bool
    pace: float = 1.0
    until: float = float("inf")
    missing: Mapping[str, Missing] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    _shared: dict[str, Future[Any]] = field(default_factory=dict)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def region(self) -> str:
        """The region of the run."""
        return str(self.session.region_name)

    @property
    def account(self) -> str:
        """The account of the run."""
        asked = self.once("account", lambda: self.client("sts").get_caller_identity())
        return str(asked["Account"])

    def client(self, service: str, *, region: str = "") -> Any:
        """Return a client with the caller's credentials."""
        key = (service, region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self.session.client(
                    service, region_name=region or None, config=_RETRIES
                )
            return self._clients[key]

    def name(self, of: str) -> str:
        """Return a new name for something that is made beside the stacks."""
        return f"{NAME_PREFIX}{of}-{uuid.uuid4().hex[:8]}"

    @property
    def tags(self) -> list[dict[str, str]]:
        """What marks all that the run makes."""
        return [{"Key": TAG, "Value": self.ledger.run_id}]

    def output(self, name: str, *, stack: str = BASE) -> str:
        """Return an output of a stack.

        Raises
        ------
        CannotSayError
            If the stack was not deployed.
        """
        found = self.once(f"outputs of {stack}", lambda: self._outputs(stack))
        if name not in found:
            raise CannotSayError(f"The stack {stack} was not deployed.")
        return str(found[name])

    def _outputs(self, stack: str) -> Mapping[str, str]:
        cloudformation = self.client("cloudformation")
        try:
            (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return {}
        return {
            output["OutputKey"].removesuffix("Output"): output["OutputValue"]
            for output in described.get("Outputs", [])
        }

    def once(self, key: str, make: Callable[[], Value]) -> Value:
        """Return a result that probes share: the first to ask makes it, and others wait for it."""
        with self._lock:
            is_first = key not in self._shared
            future: Future[Value] = self._shared.setdefault(key, Future())
        if is_first:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def wait(
        self, ask: Callable[[], Value | None], *, seconds: float, what: str, pause: float = 5.0
    ) -> Value:
        """Return what is asked for, as soon as it is there.

        Parameters
        ----------
        ask
            Returns it, or None.
        seconds
            How long to wait.
        what
            What it is, in words.
        pause
            The seconds between two questions. Default: 5.

        Raises
        ------
        OutOfTimeError
            If it does not come.
        CannotSayError
            If the time of the whole run is over.
        """
        until = time.monotonic() + seconds
        while (found := ask()) is None:
            if time.monotonic() > self.until:
                raise CannotSayError(f"The time of the run was over before {what} was seen.")
            if time.monotonic() > until:
                raise OutOfTimeError(f"{what} did not come within {seconds:.0f} seconds.")
            self.sleep(pause)
        return found

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is being ended.

        Raises
        ------
        StoppedError
            If it is.
        """
        if self.stopped.wait(seconds * self.pace):
            raise StoppedError("The run is being ended.")

    def note(self, kind: str, name: str, *, region: str = "") -> str:
        """Write down what is about to be made, and return its name.

        Raises
        ------
        StoppedError
            If the run is being ended: what is made now would not be removed.
        """
        if self.stopped.is_set():
            raise StoppedError("The run is being ended.")
        return self.ledger.note(kind, name, region=region)
