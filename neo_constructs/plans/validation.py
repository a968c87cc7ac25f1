"""Everything that can be said of a model and its script before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neo_constructs.archives.inspection import inspect, inspect_members
from neo_constructs.archives.sample_payload import check_payloads
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.plans.compilation_plan import CompilationPlan
from neo_constructs.plans.endpoint_plan import EndpointPlan, LocalScript
from neo_constructs.scripts.serving_contract import ServingContract


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
    plan = CompilationPlan(
        inspection=inspect(path) if path else None,
        declared_framework=framework,
        target=target,
        data_input_config=data_input_config,
    )
    found = plan.check() if path else []
    if code:
        found += LocalScript(code).check(_contract(plan, code))
    if payload:
        found += check_payloads(payload)
    return Validation(framework=plan.framework, model=plan.model, findings=tuple(found))


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
    plan = CompilationPlan(
        inspection=inspect_members(archive, members), declared_framework=framework
    )
    return Validation(framework=plan.framework, model=plan.model, findings=tuple(plan.check()))


def _contract(plan: CompilationPlan, code: Path) -> ServingContract:
    """Return the contract a script is checked by: the framework's, or what it is written for."""
    known = EndpointPlan(compilation=plan).contract
    return known or ServingContract.of_script(code)
