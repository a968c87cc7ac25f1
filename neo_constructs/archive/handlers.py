"""What a script's functions are, and how the containers would call them; by its syntax alone.

An error is said only where it is certain: of a plain, undecorated function at the top of the
module. What is assigned, imported, decorated or defined on a condition is left to the container.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from neo_constructs.findings import Level, listed

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
    """Say what the PyTorch and MXNet containers would make of a script."""
    if not defined & {*TOOLKIT, "*"}:
        yield Problem(
            "script-function-missing",
            f"It defines none of {listed(TOOLKIT)}: the container's defaults serve alone.",
            "define what shall be otherwise.",
            Level.WARNING,
        )
    plain = _plain_functions(tree)
    beside = [name for name in _IN_ITS_STEAD if name in plain]
    if "transform_fn" in plain and beside:
        yield Problem(
            "script-functions-together",
            f"transform_fn does all of {listed(_IN_ITS_STEAD)}, and the container refuses it "
            f"beside {listed(beside)}.",
            "leave one or the other.",
        )
    for name, arguments in TOOLKIT.items():
        if name in plain:
            yield from _check_function(plain[name], arguments)


def check_tensorflow(tree: ast.Module, defined: set[str]) -> Iterator[Problem]:
    """Say what the TensorFlow container would make of a script."""
    plain = _plain_functions(tree)
    if "handler" in _assigned(tree):
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
    both = {"handler": ("data", "context"), **TENSORFLOW}
    yield from _check_calls(plain, both)


def check_dlr(tree: ast.Module) -> Iterator[Problem]:
    """Say what the containers of ONNX and Keras models would make of a script."""
    yield from _check_calls(_plain_functions(tree), DLR)


def _check_calls(
    plain: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
    called: Mapping[str, tuple[str, ...]],
) -> Iterator[Problem]:
    """Say which functions cannot be called with just so many arguments."""
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
        if needed > len(arguments) or not is_enough or by_name:
            yield Problem(
                "script-function-arity",
                f"The container calls {name}({', '.join(arguments)}); it has "
                f"{ast.unparse(given) or 'no parameters'}.",
                f"define {name}({', '.join(arguments)}).",
            )


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
            f"it has {passed} parameter{'s' * (passed != 1)}: {ast.unparse(given) or 'none'}.",
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


def _plain_functions(
    tree: ast.Module,
) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions of which it is certain what they are when the container looks."""
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list
    }
    rebound = _bound_otherwise(tree) | ({"*"} if is_dynamic(tree) else set())
    return {} if "*" in rebound else {n: f for n, f in found.items() if n not in rebound}


def is_dynamic(tree: ast.Module) -> bool:
    """Whether a module may define names in a way that its syntax does not show."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return True
    return any(
        isinstance(node, ast.Name) and node.id in {"globals", "setattr", "exec", "vars", "eval"}
        for node in ast.walk(tree)
    )


def _assigned(tree: ast.Module) -> set[str]:
    """Return the names that plain assignments at the top of a module bind."""
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign | ast.For):
            targets = [statement.target]
        else:
            continue
        if not isinstance(getattr(statement, "value", None), ast.Lambda):
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return names


def _bound_otherwise(tree: ast.Module) -> set[str]:
    """Return what is bound at module level by anything but a plain def; ``*`` for a star import."""
    names: set[str] = set()
    todo: list[ast.AST] = []
    for statement in tree.body:
        is_def = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        if not is_def or getattr(statement, "decorator_list", []):
            todo.append(statement)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((a.asname or a.name).partition(".")[0] for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
    return names
