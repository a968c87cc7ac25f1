"""Which names a script binds at its top, and how: by its syntax alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

_VALUES: Final = (ast.Constant, ast.JoinedStr, ast.List, ast.Dict, ast.Set, ast.Tuple)
_OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def constants_of(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the names that are surely plain values when the container looks."""
    found: dict[str, ast.expr] = {}
    for statement in tree.body:
        for name in _stored(statement):
            found.pop(name, None)
        if isinstance(statement, ast.ImportFrom) and any(a.name == "*" for a in statement.names):
            found.clear()
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            targets, value = [statement.target], statement.value
        else:
            continue
        if isinstance(value, _VALUES):
            # Not one of several that are assigned at once.
            found.update({t.id: value for t in targets if isinstance(t, ast.Name)})
    globals_ = (node for node in ast.walk(tree) if isinstance(node, ast.Global))
    bound_elsewhere = {name for node in globals_ for name in node.names}
    kept = {name: value for name, value in found.items() if name not in bound_elsewhere}
    return {} if is_dynamic(tree) else kept


def is_false(value: ast.expr) -> bool:
    """Whether a value counts as false in Python."""
    if isinstance(value, ast.Constant):
        return not value.value
    return isinstance(value, ast.List | ast.Tuple) and not value.elts


def _stored(statement: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a module binds, or takes away."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((a.asname or a.name).partition(".")[0] for a in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def deleted_of(tree: ast.Module) -> set[str]:
    """Return the names that a module has bound and then deleted."""
    gone = set[str]()
    for statement in tree.body:
        if isinstance(statement, ast.Delete):
            gone |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        else:
            gone -= _stored(statement)
    return gone


def lambdas_of(tree: ast.Module) -> set[str]:
    """Return the names that are a lambda, and nothing else before or after."""
    names: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            names += [t.id for t in statement.targets if isinstance(t, ast.Name)]
    others = [s for s in tree.body if not isinstance(getattr(s, "value", None), ast.Lambda)]
    rebound = {name for statement in others for name in _stored(statement)}
    return set(names) - rebound


def imported_of(tree: ast.Module) -> set[str]:
    """Return the names that are imported from a module, whatever they are there."""
    return {
        alias.asname or alias.name
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def plain_functions(
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
        _binds_by_name(node)
        for statement in tree.body
        if not (isinstance(statement, ast.If) and is_main(statement.test))
        for node in ast.walk(statement)
    )


def _binds_by_name(node: ast.AST) -> bool:
    """Whether a call may bind names of the module: globals(), exec(), vars(), setattr(module)."""
    if isinstance(node, ast.Name):
        return node.id in {"globals", "exec", "eval"}
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    if node.func.id == "vars":
        return not node.args
    if node.func.id == "setattr" and node.args:
        names = {n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name)}
        return bool(names & {"sys", "importlib", "module", "__import__"})
    return False


def is_main(test: ast.expr) -> bool:
    """Whether a condition is ``__name__ == "__main__"``: false when a container imports it."""
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return False
    sides = [test.left, test.comparators[0]]
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )


def assigned_of(tree: ast.Module) -> set[str]:
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


def names_of(tree: ast.Module) -> set[str]:
    """Return the names bound anywhere at module level; ``*`` if others may be, too.

    What stands under ``if __name__ == "__main__"`` is not there when a container imports it.
    """
    names: set[str] = {"*"} if is_dynamic(tree) else set()
    gone = deleted_of(tree)
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            # What it binds inside is not the module's, unless it says so.
            inner = (n for n in ast.walk(node) if isinstance(n, ast.Global))
            names.update(name for statement in inner for name in statement.names)
            continue
        if isinstance(node, _OWN_SCOPE):
            continue
        if isinstance(node, ast.If) and is_main(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        names.update(_bound_by(node))
    return names - gone


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Yield what a node binds by itself."""
    if isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
