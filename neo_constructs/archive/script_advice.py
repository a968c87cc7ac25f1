"""What a script may stumble over in its container; by its syntax alone, and rarely certain."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from neo_constructs.archive.handlers import Problem
from neo_constructs.findings import Level, listed

# No image states its Python; its tags say py3 only. The containers' sources name 3.6 to 3.10.
OLDEST_PYTHON: Final = (3, 6)
# What the developer guide's scripts and the containers' own code import.
_IN_IMAGES: Final = frozenset(
    {
        "PIL", "boto3", "botocore", "cv2", "dlr", "grpc", "keras", "mxnet", "neomxnet", "numpy",
        "pandas", "requests", "sagemaker_inference", "scipy", "tensorflow", "torch", "torchvision",
        "yaml",
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
}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
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
    """Look one step far: at the packages' names, and at modules beside the script."""
    required = _required(folder)
    unknown = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {node.module.partition(".")[0]}
            yield from _from_beside(node, folder)
        else:
            continue
        unknown |= {
            name
            for name in names
            if name not in sys.stdlib_module_names | _IN_IMAGES
            and name.lower() not in required
            and not (folder / f"{name}.py").is_file()
            and not (folder / name).is_dir()
            and not (folder / "lib" / name).exists()
        }
    if unknown:
        yield Problem(
            "script-import",
            f"It imports {listed(sorted(unknown))}, which lies neither beside it nor in a "
            "requirements.txt, and is not known to be in the container.",
            "add it to requirements.txt beside the script, where the container installs that.",
            Level.WARNING,
        )


def _from_beside(node: ast.ImportFrom, folder: Path) -> Iterator[Problem]:
    """Say what is imported from a module beside the script that does not have it."""
    module = folder / f"{str(node.module).replace('.', '/')}.py"
    if not module.is_file():
        return
    try:
        defined = names_of(ast.parse(module.read_bytes()))
    except (SyntaxError, ValueError, OSError):
        defined = {"*"}
    missing = [a.name for a in node.names if a.name not in defined and a.name != "*"]
    if missing and not {"*", "__getattr__"} & defined:
        yield Problem(
            "script-import",
            f"{module.name} does not define {listed(missing)}.",
            "import what it has.",
        )


def _required(folder: Path) -> set[str]:
    """Return what a requirements.txt names, as modules in lower case."""
    try:
        lines = (folder / "requirements.txt").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    names = {m[0].lower().replace("-", "_") for line in lines if (m := _REQUIREMENT.match(line))}
    return names | {_MODULES[name] for name in names & set(_MODULES)}


def _torch_load(tree: ast.Module) -> Iterator[Problem]:
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
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
        return ast.unparse(value.func) in {"json.dumps", "str", "bytes"}
    return isinstance(value, ast.Constant | ast.JoinedStr | ast.Dict | ast.Set | ast.DictComp)


def names_of(tree: ast.Module) -> set[str]:
    """Return the names bound anywhere at module level; ``*`` for a star import.

    What stands under ``if __name__ == "__main__"`` is not there when a container imports it.
    """
    names: set[str] = set()
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)  # what it binds inside is not the module's
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.If) and _is_main(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _is_main(test: ast.expr) -> bool:
    # Python writes text in one way, whichever way the script does.
    return ast.unparse(test) in {"__name__ == '__main__'", "'__main__' == __name__"}
