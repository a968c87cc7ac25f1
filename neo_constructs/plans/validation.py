"""Everything that can be said of a model and its script before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neo_constructs.archives.inspection import Inspection, check_members, inspect, inspect_members
from neo_constructs.archives.sample_payload import check_payloads
from neo_constructs.catalog import compilation_request, data_input, support
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import errors_among
from neo_constructs.findings.finding import Finding
from neo_constructs.model_formats import consistency
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.model_formats.model_rules import check_model
from neo_constructs.scripts.script_rules import check_code
from neo_constructs.scripts.serving_contract import ENTRY_POINT, ServingContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was found.

    Parameters
    ----------
    framework
        As declared, or as the model's file says, with the newest version that Neo compiles.
    model
        What the model's file says about itself.
    findings
        What is wrong, and advice.
    """

    framework: Framework | None
    model: ModelFile | None
    findings: tuple[Finding, ...]


def validate(
    path: Path | None = None,
    *,
    framework: Framework | None = None,
    target: TargetDevice | None = None,
    data_input_config: DataInputConfig | None = None,
    code: Path | None = None,
    payload: Path | None = None,
) -> Validation:
    """Check a model, what is declared of it, and its script. Nothing of either is run.

    Parameters
    ----------
    path
        A model file, a folder or a model.tar.gz. Default: the script alone is checked.
    framework
        Default: the model's file says it.
    target
        What it is compiled for. Default: the rules of targets are left out.
    data_input_config
        Default: the model's file says it, where it can.
    code
        The folder with the script, or the script. Without a model and a framework, its own
        functions say which container it is for.
    payload
        A sample payload archive.

    Examples
    --------
    >>> validate(Path("no-such-file")).findings[0].code
    'model-missing'
    """
    inspection = inspect(path) if path else None
    found, known = _check_model(inspection, framework, target, data_input_config)
    if code:
        found += _check_code(code, known, target or TargetDevice.ML_C5)
    if payload:
        found += check_payloads(payload)
    model = inspection.model if inspection else None
    return Validation(framework=known, model=model, findings=tuple(found))


def validate_members(
    members: Mapping[str, Path], archive: Path, *, framework: Framework | None = None
) -> Validation:
    """Check what is about to be packed.

    Parameters
    ----------
    members
        Name to file.
    archive
        What findings name.
    framework
        Default: the model's file says it.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    inspection = inspect_members(archive, members)
    found, known = _check_model(inspection, framework, None, None)
    return Validation(framework=known, model=inspection.model, findings=tuple(found))


def _check_model(
    inspection: Inspection | None,
    framework: Framework | None,
    target: TargetDevice | None,
    data_input_config: DataInputConfig | None,
) -> tuple[list[Finding], Framework | None]:
    """Return what is wrong with a model, and its framework."""
    found: list[Finding] = []
    model = inspection.model if inspection else None
    device = target or TargetDevice.ML_C5
    known = framework or (support.newest(model.framework, device) if model else None)
    if inspection:
        found += _check_archive(inspection, known, framework, target)
    if known and inspection and not errors_among(found):
        config = data_input_config or _read(model)
        found += consistency.with_inputs(_check_inputs(known, target, config), model)
        found += consistency.check_inputs(config, model)
    return found, known


def _check_archive(
    inspection: Inspection,
    known: Framework | None,
    framework: Framework | None,
    target: TargetDevice | None,
) -> list[Finding]:
    found = list(inspection.findings)
    if inspection.model:
        is_checked = (known is None or known.is_checked) and (target is None or target.is_checked)
        found += check_model(inspection.model, is_checked=is_checked)
    if not errors_among(inspection.findings):
        found += consistency.check_framework(framework, inspection.model)
    if known and not errors_among(found):
        found += check_members(inspection, known)
        found += consistency.check_writer(known, inspection.model)
    return found


def _check_inputs(
    framework: Framework, target: TargetDevice | None, config: DataInputConfig | None
) -> list[Finding]:
    if target is None:
        return data_input.check_shapes(config, framework)
    return compilation_request.check(
        compilation_request.JobSettings(
            framework=framework, target=target, data_input_config=config
        )
    )


def _check_code(code: Path, framework: Framework | None, target: TargetDevice) -> list[Finding]:
    contract = (
        ServingContract.of(framework, target) if framework else ServingContract.of_script(code)
    )
    return check_code(code, ENTRY_POINT, contract)


def _read(model: ModelFile | None) -> DataInputConfig | None:
    config = model.data_input_config() if model else None
    return DataInputConfig(config, is_read=True) if config else None
