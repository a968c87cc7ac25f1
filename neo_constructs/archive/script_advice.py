"""What a script may stumble over in its container; by its syntax alone, and rarely certain."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from neo_constructs.archive.handlers import Problem, is_dynamic
from neo_constructs.findings import Level, listed

# No image states its Python; its tags say py3 only. The containers' sources name 3.6 to 3.10.
OLDEST_PYTHON: Final = (3, 6)
# What the developer guide's scripts and the containers' own code import.
_IN_IMAGES: Final = frozenset(
    {
        "PIL", "boto3", "botocore", "cv2", "dlr", "falcon", "google", "grpc", "keras", "mxnet",
        "neomxnet", "numpy", "pandas", "requests", "sagemaker_inference", "scipy", "six",
        "tensorflow", "tensorflow_serving", "torch", "torchvision", "yaml",
    }
)  # fmt: skip
# Distributions whose module has another name.
_MODULES: Final[Mapping[str, str]] = {
    "pillow": "pil",
    "opencv_python": "cv2",
    "opencv_python_headless": "cv2",
    "scikit_learn": "sklearn",
    "scikit_image": "skimage",
    "pyyaml": "yaml",
    "beautifulsoup4": "bs4",
    "python_dateutil": "dateutil",
}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONG_SOURCE: Final = 1 << 20
_RETURNS_PAIR: Final = ("neo_postprocess", "output_handler", "handler")


def advise(tree: ast.Module, source: bytes, folder: Path) -> Iterator[Problem]:
    """Say what to look at.

    Parameters
    ----------
    tree, source
        The script.
    folder
        Where it lies; what it imports may lie beside it.
    """
    yield from _newer_syntax(source)
    yield from _imports(tree, folder)
    yield from _torch_load(tree)
    yield from _returns(tree)


def _newer_syntax(source: bytes) -> Iterator[Problem]:
    if len(source) > _LONG_SOURCE:
        return  # it would be parsed for every version
    needed = next(
        (v for v in ((3, m) for m in range(OLDEST_PYTHON[1], 14)) if _parses(source, v)), None
    )
    if needed and needed > OLDEST_PYTHON:
        yield Problem(
            "script-newer-syntax",
            f"Its syntax needs Python {needed[0]}.{needed[1]}; containers of Neo's are known with "
            f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to 3.10, by framework and version.",
            "write it for an older Python, or see what the image has.",
            Level.WARNING,
        )


def _parses(source: bytes, version: tuple[int, int]) -> bool:
    try:
        ast.parse(source, feature_version=version)
    except (SyntaxError, ValueError):
        return False
    return True


def _imports(tree: ast.Module, folder: Path) -> Iterator[Problem]:
    """Look one step far: at the packages' names, and at modules beside the script.

    What stands in a ``try`` or on a condition is left to the script.
    """
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _from_beside(node, folder)
    required = _required(folder)
    if required is None:
        return
    known = sys.stdlib_module_names | _IN_IMAGES
    unknown = {
        name
        for name in _imported(tree)
        if name not in known and name.lower() not in required and not _is_beside(name, folder)
    }
    if unknown:
        yield Problem(
            "script-import",
            f"It imports {listed(sorted(unknown))}, which lies neither beside it nor in a "
            "requirements.txt, and is not known to be in the container.",
            "add it to requirements.txt beside the script, where the container installs that.",
            Level.WARNING,
        )


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the packages that a module cannot be imported without."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _is_beside(name: str, folder: Path) -> bool:
    places = (folder / f"{name}.py", folder / name, folder / "lib" / name)
    return any(place.exists() for place in (*places, folder / "lib" / f"{name}.py"))


def _from_beside(node: ast.ImportFrom, folder: Path) -> Iterator[Problem]:
    """Say what is imported from a module beside the script that does not have it."""
    module = folder / f"{str(node.module).replace('.', '/')}.py"
    top = str(node.module).partition(".")[0]
    if not module.is_file() or top in sys.builtin_module_names or module.with_suffix("").is_dir():
        return
    try:
        parsed = ast.parse(module.read_bytes())
        defined = names_of(parsed)
    except (SyntaxError, ValueError, OSError):
        return
    missing = [
        a.name
        for a in node.names
        if a.name not in defined and a.name != "*" and not a.name.startswith("__")
    ]
    if missing and "*" not in defined:
        yield Problem(
            "script-import",
            f"{module.name} does not define {listed(missing)}.",
            "import what it has.",
        )


def _required(folder: Path) -> set[str] | None:
    """Return what a requirements.txt names, as modules in lower case; None if there is no telling.

    A line may lead elsewhere: to another file, an address, a wheel.
    """
    try:
        text = (folder / "requirements.txt").read_text("utf-8-sig")
    except FileNotFoundError:
        return set()
    except (OSError, ValueError):
        return None
    lines = [line.strip() for line in text.splitlines()]
    names = set()
    for line in lines:
        if line and not line.startswith("#"):
            found = _REQUIREMENT.match(line)
            if not found or "/" in line or ".whl" in line:
                return None
            names.add(found[0].lower().replace("-", "_"))
    return names | {_MODULES[name] for name in names & set(_MODULES)}


def _torch_load(tree: ast.Module) -> Iterator[Problem]:
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_called(node, "torch", "load")
    ]
    if lines:
        yield Problem(
            "script-torch-load",
            f"torch.load (line {lines[0]}) reads pickles; what Neo compiles is TorchScript, "
            "compiled.pt.",
            'use torch.jit.load(os.path.join(model_dir, "compiled.pt")).',
            Level.WARNING,
        )


def _returns(tree: ast.Module) -> Iterator[Problem]:
    """Say which returns are surely no pair where the container unpacks one."""
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or function.name not in _RETURNS_PAIR:
            continue
        wrong = [r for r in _own_returns(function) if r.value is None or _is_single(r.value)]
        if wrong:
            yield Problem(
                "script-return",
                f"{function.name} (line {wrong[0].lineno}) returns one value; the container takes "
                "a body and its content type.",
                'return body, "application/json".',
                Level.WARNING,
            )


def _own_returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    todo: list[ast.AST] = [*function.body]
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.Return):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


def _is_single(value: ast.expr) -> bool:
    """Whether an expression is surely one value: a literal, or JSON's text."""
    if isinstance(value, ast.Call):
        is_text = isinstance(value.func, ast.Name) and value.func.id in {"str", "bytes"}
        return is_text or _is_called(value, "json", "dumps")
    if isinstance(value, ast.List):  # the containers take a pair for a tuple only
        return True
    return isinstance(value, ast.Constant | ast.JoinedStr | ast.Dict | ast.Set | ast.DictComp)


def _is_called(call: ast.Call, module: str, name: str) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == name
        and isinstance(function.value, ast.Name)
        and function.value.id == module
    )


def names_of(tree: ast.Module) -> set[str]:
    """Return the names bound anywhere at module level; ``*`` if others may be, too.

    What stands under ``if __name__ == "__main__"`` is not there when a container imports it.
    """
    names: set[str] = {"*"} if is_dynamic(tree) else set()
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
        if isinstance(node, ast.If) and _is_main(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        names.update(_bound_by(node))
    return names


_OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


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


def _is_main(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return False
    sides = [test.left, test.comparators[0]]
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )
