"""What a script may stumble over in its container; by its syntax alone, and rarely certain."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from neo_constructs.findings.finding import Level
from neo_constructs.findings.wording import listed
from neo_constructs.scripts.bindings import names_of
from neo_constructs.scripts.handler_signatures import TENSORFLOW, TOOLKIT, Problem

# No image states its Python; its tags say py3 only. The containers' sources name 3.6 to 3.10.
# Rests on A-NEO-10.
OLDEST_PYTHON: Final = (3, 6)
# What the developer guide's scripts and the containers' own code import.
_IN_IMAGES: Final = frozenset(
    {
        "PIL", "boto3", "botocore", "cv2", "dlr", "falcon", "google", "grpc", "keras", "mxnet",
        "neomx", "neomxnet", "neopytorch", "numpy", "pandas", "requests", "sagemaker_inference",
        "scipy", "six", "tensorflow", "tensorflow_serving", "torch", "torch_neuron",
        "torch_neuronx", "torchvision", "yaml",
    }
)  # fmt: skip
# Those of ONNX and Keras models have no framework but these, and install nothing: neo-ai-dlr,
# container/Dockerfile.cpu.
_IN_DLR: Final = frozenset(
    {
        "PIL", "boto3", "botocore", "cv2", "dlr", "mxnet", "numpy", "requests", "scipy", "six",
        "tensorflow", "xlrd",
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
MAX_SOURCE_BYTES: Final = 256 << 10  # what a parser makes of it is some 700 times as large
_MAX_HELPERS: Final = 20  # modules beside a script that are looked at
_RETURNS_PAIR: Final = ("neo_postprocess", "output_handler", "handler")
_RETURNS_TYPE: Final = ("transform_fn", "output_fn")  # in a tuple, if any


def advise(
    tree: ast.Module,
    source: bytes,
    script: Path,
    *,
    installs: bool = True,
    is_module: bool = True,
) -> Iterator[Problem]:
    """Say what to look at.

    Parameters
    ----------
    tree, source
        The script.
    script
        Where it lies; what it imports may lie beside it.
    installs
        Whether the container installs a requirements.txt beside the script.
    is_module
        Whether others can import the script as the container has: TensorFlow's runs its file alone.
    """
    yield from _newer_syntax(source)
    yield from _imports(tree, script, installs=installs, is_module=is_module)
    yield from _of_calls_and_returns(tree)


# A script is often that of many endpoints; what follows from its text alone is worked out once.
_once: Final = functools.lru_cache(maxsize=64)


@_once
def _of_calls_and_returns(tree: ast.Module) -> tuple[Problem, ...]:
    return (*_torch_load(tree), *_returns(tree))


@_once
def _needed_python(source: bytes) -> tuple[int, int] | None:
    """Return the oldest Python, from the oldest of the containers, that a script is written for."""
    versions = ((3, minor) for minor in range(OLDEST_PYTHON[1], 14))
    return next((version for version in versions if _parses(source, version)), None)


def _newer_syntax(source: bytes) -> Iterator[Problem]:
    needed = _needed_python(source)
    # Rests on A-NEO-10.
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


def _imports(
    tree: ast.Module, script: Path, *, installs: bool, is_module: bool
) -> Iterator[Problem]:
    """Look one step far: at the packages' names, and at modules beside the script.

    What stands in a ``try`` or on a condition is left to the script.
    """
    folder = script.parent
    relative = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.level]
    if relative:
        yield Problem(
            "script-relative-import",
            f"It imports {'.' * relative[0].level}{relative[0].module or ''} (line "
            f"{relative[0].lineno}); the container imports the script by itself, not as part of a "
            "package.",
            "import it without the dots: the script's folder is on the path.",
        )
    said = _of_helpers(tree, script)
    yield from (p for p in said if is_module or p.code != "script-import-circle")
    required = _required(folder) if installs else set[str]()
    if required is None or _installs_by_itself(tree):
        return
    known = sys.stdlib_module_names | (_IN_IMAGES if installs else _IN_DLR)
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
            "add it to requirements.txt beside the script, where the container installs that."
            if installs
            else "do without it: this container installs nothing.",
            Level.WARNING,
        )


@_once
def _installs_by_itself(tree: ast.Module) -> bool:
    """Whether a module runs pip as it is imported."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        texts = [n.value for n in ast.walk(statement) if isinstance(n, ast.Constant)]
        words = {word for text in texts if isinstance(text, str) for word in text.split()}
        if {"pip", "install"} <= words:
            return True
    return False


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the packages that a module cannot be imported without."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _is_beside(name: str, folder: Path) -> bool:
    places = (folder / f"{name}.py", folder / name, folder / "lib" / name)
    try:
        return any(place.exists() for place in (*places, folder / "lib" / f"{name}.py"))
    except OSError:  # a name longer than any file's
        return False


def _of_helpers(tree: ast.Module, script: Path) -> Iterator[Problem]:
    """Look at the modules beside the script that it imports."""
    helpers = dict[Path, ast.Module | str | None]()
    for number, node in enumerate(tree.body):
        names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in filter(None, names):
            file = _helper(name, script.parent)
            if file and file not in helpers and len(helpers) < _MAX_HELPERS:
                helpers[file] = _parsed(file)
                yield from _of_helper(file, helpers[file], script, tree.body[:number])
            there = helpers.get(file) if file else None
            if file and isinstance(node, ast.ImportFrom) and isinstance(there, ast.Module):
                yield from _missing(node, file, there)


def _helper(name: str, folder: Path) -> Path | None:
    """Return the file of a module beside the script, if that is what an import finds."""
    if name.partition(".")[0] in sys.builtin_module_names:
        return None
    file = folder / f"{name.replace('.', '/')}.py"
    try:
        return file if file.is_file() and not file.with_suffix("").is_dir() else None
    except OSError:  # a name longer than any file's
        return None


def _parsed(file: Path) -> ast.Module | str | None:
    """Return a module's syntax, or what is wrong with it; None if it cannot be looked at."""
    try:
        if file.stat().st_size > MAX_SOURCE_BYTES:
            return None
        return ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno})"
    except (ValueError, OSError, RecursionError, MemoryError):
        return None


def _of_helper(
    file: Path, there: ast.Module | str | None, script: Path, before: Sequence[ast.stmt]
) -> Iterator[Problem]:
    """Say if a module beside the script cannot be imported after what stands before."""
    if isinstance(there, str):
        yield Problem("script-unreadable", f"{file.name} is not Python: {there}.", "correct it.")
        return
    for node in there.body if there else ():
        if not isinstance(node, ast.ImportFrom) or node.level or node.module != script.stem:
            continue
        bound = {name for each in before for name in names_of(ast.Module([each], []))}
        late = [a.name for a in node.names if a.name not in bound and a.name != "*"]
        if late and "*" not in bound:
            yield Problem(
                "script-import-circle",
                f"{file.name} imports {listed(late)} from {script.name}, which imports {file.name} "
                "before it has defined that.",
                "put what both need into a module of its own.",
            )


def _missing(node: ast.ImportFrom, file: Path, there: ast.Module) -> Iterator[Problem]:
    """Say what is imported from a module that seems not to have it."""
    defined = names_of(there)
    missing = [
        a.name
        for a in node.names
        if a.name not in defined and a.name != "*" and not a.name.startswith("__")
    ]
    if missing and "*" not in defined:
        yield Problem(
            "script-import",
            f"{file.name} does not seem to define {listed(missing)}.",
            "import what it has.",
            Level.WARNING,
        )


def _required(folder: Path) -> set[str] | None:
    """Return what a requirements.txt names, as modules in lower case; None if there is no telling.

    A line may lead elsewhere: to another file, an address, a wheel.
    """
    try:
        if (folder / "requirements.txt").stat().st_size > MAX_SOURCE_BYTES:
            return None
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


# Rests on A-NEO-07.
def _torch_load(tree: ast.Module) -> Iterator[Problem]:
    # What the container calls comes first: a script may hold its training, too.
    handlers = [s for s in tree.body if getattr(s, "name", "") in {*TOOLKIT, *TENSORFLOW}]
    lines = [
        node.lineno
        for statement in (*handlers, *tree.body)
        for node in ast.walk(statement)
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
        if not isinstance(function, ast.FunctionDef):
            continue
        values = [(r.lineno, r.value) for r in _own_returns(function)]
        if function.name in _RETURNS_PAIR:
            wrong = [(line, v) for line, v in values if v is None or _is_no_pair(v)]
        elif function.name in _RETURNS_TYPE:  # a tuple of one is taken for a pair
            wrong = [(n, v) for n, v in values if isinstance(v, ast.Tuple) and _count(v) == 1]
        else:
            continue
        if wrong:
            line, value = wrong[0]
            count = _count(value) if isinstance(value, ast.Tuple | ast.List) else 1
            yield Problem(
                "script-return",
                f"{function.name} (line {line}) returns {count or 'no'} "
                f"value{'s' * (count != 1)}; the container takes a body and its content type.",
                'return body, "application/json".',
                Level.WARNING,
            )


def _own_returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    todo: deque[ast.AST] = deque(function.body)
    while todo:
        node = todo.popleft()
        if isinstance(node, ast.Return):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


def _is_no_pair(value: ast.expr) -> bool:
    """Whether an expression is surely no pair: one value, or another number of them."""
    if isinstance(value, ast.Call):
        is_text = isinstance(value.func, ast.Name) and value.func.id in {"str", "bytes"}
        return is_text or _is_called(value, "json", "dumps")
    if isinstance(value, ast.Tuple | ast.List):  # both are unpacked
        return _count(value) not in {2, None}
    return isinstance(value, ast.Constant | ast.JoinedStr | ast.Dict | ast.Set | ast.DictComp)


def _count(value: ast.Tuple | ast.List) -> int | None:
    """Return how many values a literal has; None if a starred one hides it."""
    return None if any(isinstance(e, ast.Starred) for e in value.elts) else len(value.elts)


def _is_called(call: ast.Call, module: str, name: str) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == name
        and isinstance(function.value, ast.Name)
        and function.value.id == module
    )
