"""The script's contract with each kind of container, checked without importing the script."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from neo_constructs.archive import handlers
from neo_constructs.archive.script_advice import advise, names_of
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings import Finding, listed


class Contract(Enum):
    """How a container finds the script, and which functions it calls."""

    TOOLKIT = "toolkit"
    """``code/`` in the served archive; ``model_fn`` and its companions (PyTorch, MXNet)."""

    TENSORFLOW = "tensorflow"
    """``code/inference.py`` in the served archive; ``input_handler`` and ``output_handler``."""

    DLR = "dlr"
    """An S3 archive with exactly one script; ``neo_preprocess``, ``neo_postprocess``."""

    NONE = "none"
    """The container has a handler of its own and takes no script (XGBoost)."""


ENTRY_POINT = "inference.py"
REQUIRED = {Contract.DLR: ("neo_preprocess", "neo_postprocess")}


def contract_for(framework: Framework, target: TargetDevice) -> Contract:
    """Return the contract of the container that serves ``framework`` on ``target``.

    Source: AWS developer guide, page neo-deployment-hosting-services-prerequisites; for
    Inferentia the published containers (neo-ai/neo-ai-dlr, folder container), which differ from
    the page.
    """
    if framework.name == "XGBOOST":
        return Contract.NONE
    if framework.name == "TENSORFLOW":
        return Contract.TENSORFLOW if target.processor != "neuronx" else Contract.TOOLKIT
    return Contract.DLR if framework.name in {"ONNX", "KERAS"} else Contract.TOOLKIT


def check_script(script: Path, contract: Contract) -> list[Finding]:
    """Say what is wrong with a script for a contract. It is parsed, never run."""
    wrong_name = check_name(script.name, contract, str(script))
    if wrong_name:
        return wrong_name
    if not script.is_file():
        return [
            _finding(
                script,
                "script-missing",
                "There is no such file.",
                "check the path and entry_point.",
            )
        ]
    try:
        source = script.read_bytes()
        tree = ast.parse(source, filename=script.name)
    except OSError as error:
        return [_finding(script, "script-unreadable", f"It cannot be read: {error}.", "")]
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f" (line {line})" if line else ""
        message = getattr(error, "msg", None) or str(error)
        return [
            _finding(
                script, "script-unreadable", f"It is not Python: {message}{place}.", "correct it."
            )
        ]
    defined = names_of(tree)
    if contract is Contract.TOOLKIT:
        problems = list(handlers.check_toolkit(tree))
    elif contract is Contract.TENSORFLOW:
        problems = list(handlers.check_tensorflow(tree, defined))
    else:
        problems = list(_check_required(contract, defined))
    problems += advise(tree, source, script.parent)
    return [
        Finding(code=p.code, level=p.level, where=str(script), message=p.message, fix=p.fix)
        for p in problems
    ]


def check_name(entry_point: str, contract: Contract, where: str) -> list[Finding]:
    """Say if the container would not find a script of this name.

    Source: sagemaker-tensorflow-serving-container, which looks for code/inference.py only.
    """
    if contract is not Contract.TENSORFLOW or entry_point == ENTRY_POINT:
        return []
    return [
        Finding(
            code="script-name",
            where=where,
            message=f"TensorFlow's container looks for {ENTRY_POINT} only, not {entry_point!r}.",
            fix=f"name the script {ENTRY_POINT}.",
        )
    ]


def _check_required(contract: Contract, defined: set[str]) -> Iterator[handlers.Problem]:
    missing = [name for name in REQUIRED.get(contract, ()) if name not in defined]
    if missing and "*" not in defined:
        yield handlers.Problem(
            "script-function-missing",
            f"The container calls {listed(REQUIRED[contract])}; missing: {listed(missing)}.",
            "define neo_preprocess(payload, content_type) and neo_postprocess(result).",
        )


def _finding(script: Path, code: str, message: str, fix: str) -> Finding:
    return Finding(code=code, where=str(script), message=message, fix=fix)
