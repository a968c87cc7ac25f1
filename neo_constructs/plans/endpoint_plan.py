"""What is to be served, and what is known to be wrong with model, script and variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding
from neo_constructs.plans.compilation_plan import CompilationPlan
from neo_constructs.scripts.script_rules import check_code
from neo_constructs.scripts.serving_contract import ENTRY_POINT, ServingContract


class Script(Protocol):
    """An inference script, wherever it lies."""

    def check(self, contract: ServingContract, /) -> list[Finding]:
        """Say what is wrong with it for a family of containers."""
        ...


class Variant(Protocol):
    """What serves the model: instances, or serverless inference."""

    def check(self, target: TargetDevice | None, where: str, /) -> list[Finding]:
        """Say what is wrong with it for a model that was compiled for a target."""
        ...


@dataclass(frozen=True, slots=True)
class LocalScript:
    """A script on this machine.

    Parameters
    ----------
    path
        The folder with the script, or the script.
    entry_point
        The script's name in the folder. Default: ``inference.py``.
    """

    path: Path
    entry_point: str = ENTRY_POINT

    def check(self, contract: ServingContract, /) -> list[Finding]:
        """Say what is wrong with it for a family of containers."""
        return check_code(self.path, self.entry_point, contract)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlan:
    """An endpoint before it is made.

    Parameters
    ----------
    compilation
        What it serves.
    script
        Default: the container's own handlers.
    variants
        What serves it. Default: not chosen yet.
    is_script_final
        Whether no script means that there will be none. Default: True.
    other_findings
        What the caller has found of its own arguments. Default: nothing.
    """

    compilation: CompilationPlan
    script: Script | None = None
    variants: Sequence[Variant] = ()
    is_script_final: bool = True
    other_findings: Sequence[Finding] = ()

    @property
    def contract(self) -> ServingContract | None:
        """The container's; None as long as the framework is not known."""
        framework = self.compilation.framework
        target = self.compilation.target or TargetDevice.ML_C5
        return ServingContract.of(framework, target) if framework else None

    def check(self) -> list[Finding]:
        """Say everything that is known to be wrong, and what is doubtful."""
        target = self.compilation.target
        numbered = len(self.variants) > 1
        return [
            *self.compilation.check(),
            *self._check_script(),
            *(
                finding
                for number, variant in enumerate(self.variants)
                for finding in variant.check(target, f"variants[{number}]." if numbered else "")
            ),
            *self.other_findings,
        ]

    def _check_script(self) -> list[Finding]:
        if self.contract is None:
            return []
        if self.script:
            return self.script.check(self.contract)
        framework = self.compilation.framework
        return check_needed(self.contract, str(framework)) if self.is_script_final else []


def check_needed(contract: ServingContract, framework: str) -> list[Finding]:
    """Say if the containers that serve a framework's models need a script, where none is given."""
    if not contract.needs_script:
        return []
    return [
        Finding(
            code="script-needed",
            where="inference_code",
            message=f"The container for {framework} has no handler of its own.",
            fix=f"give a script with {' and '.join(contract.functions)}.",
        )
    ]
