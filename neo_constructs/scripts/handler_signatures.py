"""What a script's functions are, and how the containers would call them; by its syntax alone.

An error is said only where it is certain: of a plain, undecorated function at the top of the
module. What is assigned, imported, decorated or defined on a condition is left to the container.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from neo_constructs.findings.finding import Level
from neo_constructs.findings.wording import listed, shortened
from neo_constructs.scripts.bindings import (
    assigned_of,
    constants_of,
    deleted_of,
    imported_of,
    is_false,
    lambdas_of,
    plain_functions,
)

# sagemaker-inference-toolkit, transformer.py: function to the arguments it is called with.
TOOLKIT: Final[Mapping[str, tuple[str, ...]]] = {
    "model_fn": ("model_dir",),
    "input_fn": ("data", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "data", "content_type", "accept"),
}
_IN_ITS_STEAD: Final = ("input_fn", "predict_fn", "output_fn")
# sagemaker-tensorflow-serving-container, python_service.py.
TENSORFLOW: Final[Mapping[str, tuple[str, ...]]] = {
    "input_handler": ("data", "context"),
    "output_handler": ("response", "context"),
}
# neo-ai-dlr, neo_template_mxnet_byom.py.
DLR: Final[Mapping[str, tuple[str, ...]]] = {
    "neo_preprocess": ("payload", "content_type"),
    "neo_postprocess": ("result",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a script, or doubtful."""

    code: str
    message: str
    fix: str
    level: Level = Level.ERROR


def check_toolkit(tree: ast.Module, defined: set[str]) -> Iterator[Problem]:
    """Say what PyTorch's container would make of a script."""
    return _check_toolkit(tree, defined, is_mxnet=False)


def check_mxnet(tree: ast.Module, defined: set[str]) -> Iterator[Problem]:
    """Say what MXNet's container would make of a script: a Module's functions get no context."""
    return _check_toolkit(tree, defined, is_mxnet=True)


def _check_toolkit(tree: ast.Module, defined: set[str], *, is_mxnet: bool) -> Iterator[Problem]:
    if not defined & {*TOOLKIT, "*"}:
        yield Problem(
            "script-function-missing",
            f"It defines none of {listed(TOOLKIT)}: the container's defaults serve alone.",
            "define what shall be otherwise.",
            Level.WARNING,
        )
    plain = plain_functions(tree)
    constants = constants_of(tree)
    there = {*plain, *lambdas_of(tree), *imported_of(tree)} - set(constants)
    beside = [name for name in _IN_ITS_STEAD if name in there]
    if "transform_fn" in there and beside:
        is_certain = not imported_of(tree) & {"transform_fn", *beside}
        yield Problem(
            "script-functions-together",
            f"transform_fn does all of {listed(_IN_ITS_STEAD)}, and the container refuses it "
            f"beside {listed(beside)}.",
            "leave one or the other.",
            Level.ERROR if is_certain else Level.WARNING,
        )
    # What is false counts as not defined, but for model_fn.
    yield from _not_callable(
        {n: v for n, v in constants.items() if n == "model_fn" or not is_false(v)}, TOOLKIT
    )
    for name, arguments in TOOLKIT.items():
        if name in plain and is_mxnet and name in _IN_ITS_STEAD:
            # A Block's may take a context, and a Module's input_fn the model; a Module's may have
            # any more that need not be given.
            yield from _check_calls(plain, {name: arguments}, more=1)
        elif name in plain:
            yield from _check_function(plain[name], arguments)


def check_tensorflow(tree: ast.Module, defined: set[str]) -> Iterator[Problem]:
    """Say what the TensorFlow container would make of a script."""
    plain, constants = plain_functions(tree), constants_of(tree)
    both = {"handler": ("data", "context"), **TENSORFLOW}
    yield from _not_callable(constants, both)
    if "handler" in assigned_of(tree) - deleted_of(tree) - set(constants):
        yield Problem(
            "script-handler-name",
            "The container takes whatever is called handler for the service's one function.",
            "give it another name.",
            Level.WARNING,
        )
    if not {"*", "handler"} & defined:
        missing = [name for name in TENSORFLOW if name not in defined]
        if missing:
            yield Problem(
                "script-function-missing",
                f"The container calls {listed(TENSORFLOW)}; missing: {listed(missing)}.",
                "define input_handler(data, context) and output_handler(response, context).",
            )
    yield from _check_calls(plain, both)


def check_dlr(tree: ast.Module, defined: set[str]) -> Iterator[Problem]:
    """Say what the containers of ONNX and Keras models would make of a script."""
    missing = [name for name in DLR if name not in defined]
    if missing and "*" not in defined:
        yield Problem(
            "script-function-missing",
            f"The container calls {listed(DLR)}; missing: {listed(missing)}.",
            "define neo_preprocess(payload, content_type) and neo_postprocess(result).",
        )
    plain = plain_functions(tree)
    yield from _not_callable(constants_of(tree), DLR)
    yield from _check_calls(plain, DLR)
    if function := plain.get("neo_preprocess"):
        yield from _check_payload(function)


# Rests on A-RUN-01.
def _check_payload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Problem]:
    """Say if a script decodes a body that the container's server has decoded already.

    Source: awslabs/multi-model-server, mms/protocol/otf_message_handler.py: JSON comes parsed and
    text as str, unless decode_input_request is false.
    """
    parameters = [*function.args.posonlyargs, *function.args.args]
    if not parameters:
        return
    payload = parameters[0].arg
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    # A script that asks what it has got takes both.
    asks = any(
        isinstance(call.func, ast.Name) and call.func.id in {"isinstance", "type", "hasattr"}
        for call in calls
    )
    is_tried = any(isinstance(node, ast.Try) for node in ast.walk(function))
    is_tried = is_tried or _is_for_other_types(function)
    line = next((c.lineno for c in calls if _decodes(c, payload)), None)
    if line and not asks and not is_tried:
        yield Problem(
            "script-payload-decoded",
            f"neo_preprocess decodes {payload} (line {line}); the container's server gives JSON "
            "parsed, and text as str.",
            f"take both: parse {payload} only if it is str, bytes or bytearray.",
            Level.WARNING,
        )


def _is_for_other_types(function: ast.AST) -> bool:
    """Whether a function names a content type that the server does not decode."""
    texts = (n.value for n in ast.walk(function) if isinstance(n, ast.Constant))
    return any(
        isinstance(text, str)
        and re.fullmatch(r"[a-z]+/[\w.+-]+", text)
        and text != "application/json"
        and not text.startswith("text/")
        for text in texts
    )


def _decodes(call: ast.Call, payload: str) -> bool:
    """Whether a call is json.loads(payload) or payload.decode()."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr == "decode":
        return _is_name(call.func.value, payload)
    return call.func.attr == "loads" and bool(call.args) and _is_payload(call.args[0], payload)


def _is_payload(value: ast.expr, payload: str) -> bool:
    """Whether an expression is the payload itself, or decoded."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr == "decode" and _is_name(value.func.value, payload)
    return _is_name(value, payload)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _not_callable(
    constants: Mapping[str, ast.expr], called: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    """Say which names that the container calls are plain values."""
    for name in called:
        if name in constants:
            yield Problem(
                "script-not-callable",
                f"The container calls {name}, which is {_literal(constants[name])}.",
                f"define {name}({', '.join(called[name])}), or take the name out.",
            )


def _literal(value: ast.expr) -> str:
    """Return a value as it is written, or of what kind it is where that would be long."""
    if isinstance(value, ast.Constant):
        plain = value.value
        is_long = len(plain) > 50 if isinstance(plain, str | bytes) else False
        if not is_long and not (isinstance(plain, int) and abs(plain) > 10**9):
            return repr(plain)
        return f"a {type(plain).__name__}"
    return f"a {type(value).__name__.lower()}"


def _check_calls(
    plain: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
    called: Mapping[str, tuple[str, ...]],
    *,
    more: int = 0,
) -> Iterator[Problem]:
    """Say which functions cannot be called with their arguments, or with up to ``more`` others."""
    for name, arguments in called.items():
        if name not in plain:
            continue
        function, given = plain[name], plain[name].args
        if isinstance(function, ast.AsyncFunctionDef):
            yield _is_async(name)
            continue
        positional = [*given.posonlyargs, *given.args]
        needed = len(positional) - len(given.defaults)
        by_name = [a for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not d]
        is_enough = len(arguments) <= len(positional) or given.vararg
        if needed > len(arguments) + more or not is_enough or by_name:
            yield Problem(
                "script-function-arity",
                f"The container calls {name}({', '.join(arguments)}); it has "
                f"{_signature(given) or 'no parameters'}.",
                f"define {name}({', '.join(arguments)}).",
            )


def _signature(given: ast.arguments) -> str:
    """Return parameters as they are written, but never at length."""
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    if len(names) > _MAX_SHOWN:
        return f"{len(names)} parameters"
    try:
        return shortened(ast.unparse(given), 200)
    except ValueError:  # a number too long to be written
        return ", ".join(names)


_MAX_SHOWN: Final = 20


def _check_function(
    function: ast.FunctionDef | ast.AsyncFunctionDef, arguments: tuple[str, ...]
) -> Iterator[Problem]:
    name = function.name
    if isinstance(function, ast.AsyncFunctionDef):
        yield _is_async(name)
        return
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    every = [*positional, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    # The toolkit counts all of them, and passes the context as one more, by its place.
    passed = len(every)
    takes = passed in {len(arguments), len(arguments) + 1}
    required = len(positional) - len(given.defaults)
    can_bind = (passed <= len(positional) or given.vararg is not None) and passed >= required
    needs_names = [a.arg for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not d]
    if not takes or not can_bind or needs_names:
        yield Problem(
            "script-function-arity",
            f"The container calls {name}({', '.join(arguments)}), or with a context after these; "
            f"it has {passed} parameter{'s' * (passed != 1)}: {_signature(given) or 'none'}.",
            f"define {name}({', '.join(arguments)}).",
        )
    elif passed == len(arguments) + 1 and "context" not in every[-1].arg.lower():
        yield Problem(
            "script-context-taken",
            f"The container passes its context as the last parameter of {name}, "
            f"{every[-1].arg!r}, whatever its default is.",
            f"take it out, or call it context: {name}({', '.join(arguments)}, context).",
            Level.WARNING,
        )


def _is_async(name: str) -> Problem:
    return Problem(
        "script-function-async",
        f"{name} is async; the container does not await it and answers with a coroutine.",
        "define it without async.",
    )
