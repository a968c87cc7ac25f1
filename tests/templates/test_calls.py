"""How often the CDK's other process is asked, of which most of a synth's time is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from constructs import Construct
from jsii._kernel.providers.process import _NodeProcess

from tests.templates.stacks import digits_endpoint

# Hand-written L1s of the same template take 34 calls for each endpoint, and 53 for the rest.
MOST_OF_AN_ENDPOINT = 42
MOST_OF_A_STACK = 140


@dataclass
class Counted:
    calls: int = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    found, send = Counted(), _NodeProcess.send

    def counting(self: Any, *given: Any) -> Any:
        found.calls += 1
        return send(self, *given)

    monkeypatch.setattr(_NodeProcess, "send", counting)
    return found


def calls_of(number: int, counted: Counted) -> int:
    """Return the calls of an app with so many endpoints, its synthesis included."""
    app = cdk.App()
    scope = cdk.Stack(app, "Stack")
    scopes = [Construct(scope, f"C{index}") for index in range(number)]
    counted.calls = 0
    for each in scopes:
        digits_endpoint(each)
    app.synth()
    return counted.calls


def test_an_endpoint_takes_few_calls(counted: Counted) -> None:
    calls_of(1, counted)  # what is asked once in a process
    one, three, five = (calls_of(number, counted) for number in (1, 3, 5))
    assert five - three == three - one  # linear
    assert (five - one) / 4 <= MOST_OF_AN_ENDPOINT
    assert one - (five - one) / 4 <= MOST_OF_A_STACK
