"""What is to be compiled for what, and everything that is known to be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from neo_constructs.archives.inspection import Inspection, check_members
from neo_constructs.catalog import compilation_request, data_input, support
from neo_constructs.catalog.compilation_request import DEFAULT_RUNTIME_SECONDS, JobSettings
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import errors_among
from neo_constructs.findings.finding import Finding
from neo_constructs.model_formats import consistency
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.model_formats.model_rules import check_model


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilationPlan:
    """A compilation before it is asked for.

    Parameters
    ----------
    inspection
        What was read of the model. Default: nothing, as of an archive in S3.
    source_findings
        What is wrong with the place of a model that is not read. Default: nothing.
    argument_findings
        What is wrong with other arguments, as their caller has found. Default: nothing.
    declared_framework
        Default: the model's file says it.
    target
        Default: none is chosen yet, and the rules of targets are left out.
    data_input_config
        Default: the model's file says it, where it can.
    compiler_options
        Default: none.
    max_runtime_seconds
        Default: 900; None where it is not known yet.
    region
        Default: not known yet.

    Examples
    --------
    >>> plan = CompilationPlan(
    ...     declared_framework=Framework.pytorch("2.0"), target=TargetDevice.ML_C5
    ... )
    >>> plan.check()
    []
    """

    inspection: Inspection | None = None
    source_findings: tuple[Finding, ...] = ()
    argument_findings: tuple[Finding, ...] = ()
    declared_framework: Framework | None = None
    target: TargetDevice | None = None
    data_input_config: DataInputConfig | None = None
    compiler_options: CompilerOptions | None = None
    max_runtime_seconds: int | None = DEFAULT_RUNTIME_SECONDS
    region: str | None = None

    @property
    def model(self) -> ModelFile | None:
        """What the model's file says about itself."""
        return self.inspection.model if self.inspection else None

    @property
    def framework(self) -> Framework | None:
        """As declared, or as the file says, with the newest version that Neo compiles."""
        if self.declared_framework or not self.model:
            return self.declared_framework
        return support.newest(self.model.framework, self.target or TargetDevice.ML_C5)

    @property
    def inputs(self) -> DataInputConfig | None:
        """As declared, or as the file says."""
        read = self.model.data_input_config() if self.model else None
        return self.data_input_config or (DataInputConfig(read, is_read=True) if read else None)

    @property
    def settings(self) -> JobSettings | None:
        """What the job is asked for; None as long as framework or target are not known."""
        if self.framework is None or self.target is None:
            return None
        return JobSettings(
            framework=self.framework,
            target=self.target,
            data_input_config=self.inputs,
            compiler_options=self.compiler_options,
            max_runtime_seconds=self.max_runtime_seconds,
            region=self.region,
        )

    def check(self) -> list[Finding]:
        """Say everything that is known to be wrong, and what is doubtful."""
        found = [*self.source_findings]
        if self.inspection:
            found += self.inspection.findings
        is_readable = not errors_among(found)
        found += self.argument_findings
        if self.model:
            found += check_model(self.model, is_checked=self._is_checked)
        contradicted: list[Finding] = []
        if is_readable:
            contradicted = consistency.check_framework(self.declared_framework, self.model)
        found += contradicted
        framework = self.framework
        if framework is None or not is_readable or errors_among(contradicted):
            # Of a model that cannot be read, or is of another framework, there is no more to say.
            target = self.target.check() if self.target else []
            return [
                *found,
                *target,
                *compilation_request.check_max_runtime(self.max_runtime_seconds),
            ]
        found += consistency.with_inputs(self._check_request(framework), self.model)
        found += consistency.check_inputs(self.inputs, self.model)
        if self.inspection:
            found += check_members(self.inspection, framework)
        found += consistency.check_writer(framework, self.model)
        if self.compiler_options and "dtype" in self.compiler_options.encoded:
            # The options state the type of the inputs.
            found = [finding for finding in found if finding.code != "input-dtype"]
        return found

    @property
    def _is_checked(self) -> bool:
        values = (self.framework, self.target)
        return all(value is None or value.is_checked for value in values)

    def _check_request(self, framework: Framework) -> list[Finding]:
        if self.settings:
            return compilation_request.check(self.settings)
        return [
            *data_input.check_shapes(self.inputs, framework),
            *compilation_request.check_max_runtime(self.max_runtime_seconds),
        ]
