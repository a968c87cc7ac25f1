"""Why Neo would refuse a job, by this library's own rules, in the words that Neo is known to use.

Off unless asked for (``neo sandbox set --as-assumed A-NEO-16``): nothing is compiled here, and a
test may compile a file that is no model.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from neo_constructs.archives.inspection import inspect
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.plans.compilation_plan import CompilationPlan

_HEAD: Final = "ClientError: InputConfiguration: "
# Texts of the developer guide's page neo-troubleshooting-compilation, by what the rules call it.
WORDS: Final[Mapping[str, str]] = {
    "archive-no-model": "No pth file found for PyTorch model.",
    "model-ambiguous": "Exactly one .pth file is allowed for PyTorch models.",
    "framework-contradicts-model": "Exactly one .pb or .pbtxt file is allowed for TensorFlow.",
    "data-input-config-missing": "Unable to extract DataInputConfig from the model.",
    "model-unreadable": "Unable to untar input model. Please confirm it is a tar.gz file.",
    "model-unrecognised": "Framework cannot load PyTorch model.",
}


def is_judged(assumptions: Mapping[str, bool]) -> bool:
    """Whether jobs are refused that the rules call wrong: those of files, and all others."""
    return bool(assumptions.get("A-NEO-16")) and assumptions.get("A-NEO-12") is not False


def refusal(job: Mapping[str, Any], data: bytes) -> str:
    """Return the FailureReason of a job that must fail; empty for another.

    Parameters
    ----------
    job
        As CreateCompilationJob was asked for it.
    data
        The input.
    """
    found = [finding for finding in _findings(job, data) if finding.level is Level.ERROR]
    if not found:
        return ""
    first = found[0]
    return f"{_HEAD}{WORDS.get(first.code) or first.message}"


def _findings(job: Mapping[str, Any], data: bytes) -> list[Finding]:
    given, output = job["InputConfig"], job["OutputConfig"]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "model.tar.gz")
        archive.write_bytes(data)
        try:
            shapes = given.get("DataInputConfig")
            plan = CompilationPlan(
                inspection=inspect(archive),
                declared_framework=_framework(given["Framework"], given.get("FrameworkVersion")),
                target=TargetDevice(output.get("TargetDevice", "")),
                data_input_config=DataInputConfig.coerce(json.loads(shapes)) if shapes else None,
            )
            return list(plan.check())
        except ValidationError as error:
            return list(error.findings)


def _framework(name: str, version: str | None) -> Framework:
    """Return a framework; where no version is sent, the one that Neo has."""
    makers = {"ONNX": Framework.onnx, "MXNET": Framework.mxnet, "XGBOOST": Framework.xgboost}
    return makers[name]() if version is None and name in makers else Framework(name, version)
