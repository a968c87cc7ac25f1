"""One compilation job as Neo would see it: every rule together, and the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neo_constructs.catalog import compiler_options, data_input, images, support
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import suggestion

# CloudFormation waits an hour for a custom resource; the engine needs part of it.
# Rests on A-CFN-01.
MAX_RUNTIME_SECONDS = range(60, 2_701)
DEFAULT_RUNTIME_SECONDS = 900  # what the API reference recommends for compilation


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """What a compilation job is asked for, without where it lies.

    Parameters
    ----------
    framework, target
        What is compiled for what.
    data_input_config
        Default: none; Neo derives it where it can.
    compiler_options
        Default: none.
    max_runtime_seconds
        Default: 900; None where it is not known yet.
    region
        Default: not known yet.

    Examples
    --------
    >>> settings = JobSettings(framework=Framework.pytorch("2.0"), target=TargetDevice.ML_C5)
    >>> check(settings)
    []
    """

    framework: Framework
    target: TargetDevice
    data_input_config: DataInputConfig | None = None
    compiler_options: CompilerOptions | None = None
    max_runtime_seconds: int | None = DEFAULT_RUNTIME_SECONDS
    region: str | None = None

    def input_config(self) -> dict[str, Any]:
        """Return ``InputConfig`` of CreateCompilationJob, without the model's place."""
        config = self.data_input_config
        return {
            "DataInputConfig": config.to_json() if config else None,
            "Framework": self.framework.name,
            "FrameworkVersion": support.framework_version_to_send(self.framework, self.target),
        }

    def output_config(self) -> dict[str, Any]:
        """Return ``OutputConfig`` of CreateCompilationJob, without the artifact's place."""
        options = self.compiler_options
        return {
            "TargetDevice": self.target.name,
            "CompilerOptions": options.encoded if options else None,
        }


# Rests on A-NEO-16.
def check(settings: JobSettings) -> list[Finding]:
    """Say everything that Neo is known to refuse, and everything that is doubtful."""
    framework, target = settings.framework, settings.target
    found = [*target.check(), *support.check(framework, target)]
    if any(f.code in {"framework-unknown", "target-unknown", "target-not-served"} for f in found):
        # What depends on the name in question would be about nothing.
        found += data_input.check_shapes(settings.data_input_config, framework)
        found += compiler_options.check_length(settings.compiler_options)
    else:
        found += data_input.check(settings.data_input_config, framework, target)
        found += compiler_options.check(settings.compiler_options, framework, target)
    if settings.region is not None:
        found += check_region(target, settings.region, is_checked=framework.is_checked)
    return [*found, *check_max_runtime(settings.max_runtime_seconds)]


def check_region(target: TargetDevice, region: str, *, is_checked: bool = True) -> list[Finding]:
    """Say what is wrong with compiling for a target in a region."""
    locked = support.check_region(target, region)
    if locked or region in images.registries():
        return locked
    return [
        Finding(
            code="region-without-neo",
            level=Level.ERROR if is_checked and target.is_checked else Level.WARNING,
            where="region",
            message=(
                f"Neo has no images in {region!r}, so nothing could serve the compiled model. "
                f"Allowed: {', '.join(images.registries())}."
            ),
            fix=suggestion(region, images.registries()) or "deploy to one of those regions.",
        )
    ]


def check_max_runtime(seconds: int | None) -> list[Finding]:
    """Say if a job may not take so long; None is not known yet."""
    if seconds is None or seconds in MAX_RUNTIME_SECONDS:
        return []
    return [
        Finding(
            code="max-runtime",
            where="max_runtime",
            message=f"{seconds} seconds are given. Allowed: 60 to 2700 (1 to 45 minutes).",
            fix="CloudFormation waits no longer than an hour for a job; take at most 45 minutes.",
        )
    ]


def image_or_none(framework: Framework, target: TargetDevice) -> images.Image | None:
    """Return the image that is known to serve the result, if one is."""
    try:
        return images.find_image(framework, target)
    except ValidationError:
        return None
