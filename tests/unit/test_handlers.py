"""What is said of a script by its syntax is what SageMaker's own toolkit does with it."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from sagemaker_inference.transformer import Transformer

from neo_constructs.findings.finding import Level
from neo_constructs.scripts.script_rules import check_script
from neo_constructs.scripts.serving_contract import ServingContract

LOAD = "def model_fn(d): return 1\n"
WHOLE = LOAD + "def transform_fn(m, d, c, a): return b'ok'\n"

# The structural ones of the edge cases that were read in the toolkit's source: what a script
# says, and what is said of it; None for nothing.
SCRIPTS: dict[str, tuple[str, str | None]] = {
    "four arguments": (WHOLE, None),
    "the context too": (LOAD + "def transform_fn(m, d, c, a, context): return b''\n", None),
    "a default that is hijacked": (
        "def model_fn(d, device='cpu'): return 1\n", "script-context-taken"),
    "keywords": ("def model_fn(d, **kw): return 1\n", "script-function-arity"),
    "only *args, enough": ("def model_fn(*a): return 1\n", None),
    "only *args, too few": (
        LOAD + "def transform_fn(*a): return b''\n", "script-function-arity"),
    "three arguments": (
        LOAD + "def transform_fn(m, d, c): return b''\n", "script-function-arity"),
    "six arguments": (
        LOAD + "def transform_fn(m, d, c, a, x, y): return b''\n", "script-function-arity"),
    "a context by name only": (
        "def model_fn(d, *, context): return 1\n", "script-function-arity"),
    "an optional context by name only": (
        "def model_fn(d, *, context=None): return 1\n", "script-function-arity"),
    "one argument": (LOAD + "def input_fn(d): return d\n", "script-function-arity"),
    "no argument": ("def model_fn(): return 1\n", "script-function-arity"),
    "positional only": ("def model_fn(d, /): return 1\n", "script-newer-syntax"),
    "a star and enough": (LOAD + "def input_fn(d, *a): return d\n", None),
    "a lambda": ("model_fn = lambda d: 1\n", None),
    "an object": ("class M:\n def __call__(self, d): return 1\nmodel_fn = M()\n", None),
    "decorated, without wraps": (
        "def deco(f):\n def g(d): return f(d)\n return g\n@deco\ndef model_fn(d): return 1\n",
        None),
    "transform_fn and predict_fn": (
        WHOLE + "def predict_fn(d, m): return d\n", "script-functions-together"),
    "transform_fn and output_fn": (
        WHOLE + "def output_fn(p, a): return p\n", "script-functions-together"),
    "no transform_fn after all": (
        LOAD + "transform_fn = None\ndef predict_fn(d, m): return d\n", None),
    "no model_fn": ("def predict_fn(d, m): return d\n", None),
    "no predict_fn": (LOAD, None),
    "async": (LOAD + "async def transform_fn(m, d, c, a): return b''\n",
              "script-function-async"),
    "an async model": ("async def model_fn(d): return 1\n", "script-function-async"),
    "a slip": ("def model_fn(d:\n", "script-unreadable"),
    "nothing": ("", "script-function-missing"),
}  # fmt: skip
number = iter(range(10**6))


class Defaults:
    """Handlers of a container, as simple as can be."""

    def default_model_fn(self, model_dir: str) -> object:
        return model_dir

    def default_input_fn(self, data: object, content_type: str) -> object:
        del content_type
        return data

    def default_predict_fn(self, data: object, model: object) -> object:
        if inspect.iscoroutine(model):
            model.close()
            raise TypeError("a coroutine is no model")
        return data

    def default_output_fn(self, prediction: object, accept: str) -> object:
        del accept
        return prediction


class Context:
    """What the model server hands over, as far as the toolkit looks at it."""

    def __init__(self) -> None:
        self.status = 200
        self.system_properties = {"model_dir": "."}
        self.request_processor = [self]

    def get_request_properties(self) -> dict[str, str]:
        return {"Content-Type": "application/octet-stream", "Accept": "application/json"}

    def get_request_header(self, _index: int, key: str) -> str | None:
        return self.get_request_properties().get(key)

    def set_response_status(self, code: int = 200, **_: object) -> None:
        self.status = code

    def set_response_content_type(self, *_: object) -> None:
        return

    def report_status(self, code: int = 200, **_: object) -> None:
        self.status = code


def breaks(script: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the toolkit cannot serve a request with a script."""
    monkeypatch.setenv("SAGEMAKER_PROGRAM", script.name)
    monkeypatch.syspath_prepend(str(script.parent))
    context = Context()
    transformer = Transformer(default_inference_handler=Defaults())
    try:
        transformer.validate_and_initialize(model_dir=".", context=context)
        reply: Any = transformer.transform([{"body": b"payload"}], context)
    except Exception:
        return True
    finally:
        sys.modules.pop(script.stem, None)
    for part in reply:
        if inspect.iscoroutine(part):
            part.close()
            return True
    return context.status != 200


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_said_is_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, code = SCRIPTS[name]
    script = tmp_path / f"edge_case_{next(number)}.py"
    script.write_text(text)
    found = check_script(script, ServingContract.TOOLKIT)
    assert [finding.code for finding in found] == ([code] if code else [])
    is_error = any(finding.level is Level.ERROR for finding in found)
    assert is_error is breaks(script, monkeypatch), "the toolkit does otherwise"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx:1.5.0-cpu-py3", "dlr"),
        (f"1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx@sha256:{'0' * 64}", "dlr"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/xgboost-neo:latest", "xgboost"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/my-own:1", "toolkit"),
    ],
)
def test_the_contract_of_an_image(uri: str, name: str) -> None:
    assert ServingContract.of_image(uri).name == name
