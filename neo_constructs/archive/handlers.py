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


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a script, or doubtful."""

    code: str
    message: str
    fix: str
    level: Level = Level.ERROR


def check_toolkit(tree: ast.Module) -> Iterator[Problem]:
    """Say what the PyTorch and MXNet containers would make of a script."""
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
    if "handler" in defined and "handler" not in plain:
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
    for name in TENSORFLOW:
        if name in plain and isinstance(plain[name], ast.AsyncFunctionDef):
            yield _is_async(name)


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
    rebound = _bound_otherwise(tree)
    return {} if "*" in rebound else {n: f for n, f in found.items() if n not in rebound}


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
