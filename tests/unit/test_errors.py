"""Every error has one base, and survives the way to another process."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil

import neo_constructs
from neo_constructs.findings.errors import NeoConstructsError, ValidationError
from neo_constructs.findings.finding import Finding

# Their module hooks into a package that may not be there; theirs run in another interpreter.
_APART = ("neo_constructs.sandbox.ministack_hooks", "neo_constructs.local.containers")


def errors_of_the_library() -> list[type[BaseException]]:
    found: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(neo_constructs.__path__, "neo_constructs."):
        if module.name.startswith(_APART) or module.name.endswith("sandbox.server"):
            continue
        for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(value, BaseException) and value.__module__ == module.name:
                found.add(value)
    return sorted(found, key=lambda each: each.__qualname__)


def test_every_error_has_the_base() -> None:
    found = [each for each in errors_of_the_library() if not each.__name__.startswith("_")]
    assert len(found) >= 9
    assert [each for each in found if not issubclass(each, NeoConstructsError)] == []
    assert all(each.__name__.endswith("Error") for each in found)


def test_a_validation_error_keeps_its_findings() -> None:
    finding = Finding(code="max-runtime", where="max_runtime", message="0 seconds are given.")
    error = ValidationError([finding], subject="Stack/Digits")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (copy.findings, copy.subject, str(copy)) == ((finding,), "Stack/Digits", str(error))
