"""Deployable stacks: all of what the ``neo`` context describes, in one or in two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, PermissionsBoundary, Stack, Tags
from constructs import Construct

from neo_constructs.compilation.artifact_bucket import BUCKET_ID, ArtifactBucket
from neo_constructs.engine.options import JobEngineOptions
from neo_constructs.hosting.alarms import EndpointAlarms
from neo_constructs.hosting.dashboard import EndpointDashboard
from neo_constructs.hosting.variants import ServerlessVariant
from neo_constructs.patterns.compiled_endpoint import CompiledEndpoint
from neo_constructs.patterns.hosting_settings import AlarmSettings
from neo_constructs.patterns.setting_makers import security_groups
from neo_constructs.patterns.setting_schema import Place, arguments
from neo_constructs.patterns.settings import EndpointSettings, EngineSettings, Settings
from neo_constructs.typed import typed


class _SettingsStack(Stack):
    """A stack with the tags, the boundary and the engine that settings describe."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, folder: Path, **kwargs: Any
    ) -> None:
        if settings.permissions_boundary:
            boundary = settings.permissions_boundary
            kwargs["permissions_boundary"] = (
                PermissionsBoundary.from_arn(boundary)
                if boundary.startswith("arn:")
                else PermissionsBoundary.from_name(boundary)
            )
        super().__init__(scope, construct_id, **kwargs)
        for key, value in settings.tags.items():
            Tags.of(self).add(key, value)
        self._place = Place(self, folder)
        if settings.engine:
            JobEngineOptions(**self._with_network(settings.engine)).apply(self)

    def _make_bucket(self, settings: Settings) -> None:
        """Make the bucket of all jobs, if settings say how it is to be."""
        if settings.artifact_bucket:
            ArtifactBucket(self, BUCKET_ID, **arguments(settings.artifact_bucket, self._place))

    def _add(
        self, settings: EndpointSettings, compilation_scope: Stack | None = None
    ) -> CompiledEndpoint:
        """Make an endpoint, its alarms, its dashboard and its outputs."""
        name = settings.construct_id
        made = CompiledEndpoint(
            self, name, compilation_scope=compilation_scope, **self._with_network(settings)
        )
        first = made.compilation_jobs[0]
        CfnOutput(self, f"{name}EndpointName", value=made.endpoint.endpoint_name)
        for output, value in (
            ("CompilationJobName", first.compilation_job_name),
            ("CompiledModel", first.model_data_url),
        ):
            CfnOutput(compilation_scope or self, f"{name}{output}", value=value)
        if settings.alarms:
            self._watch(made, settings.alarms)
        if settings.dashboard:
            EndpointDashboard(made, "Dashboard", endpoint=made.endpoint)
        return made

    def _watch(self, made: CompiledEndpoint, asked: AlarmSettings) -> None:
        """Make the alarms of each variant."""
        for variant in made.endpoint_config.production_variants:
            given = arguments(asked, self._place)
            if isinstance(variant, ServerlessVariant):
                given |= {"max_memory_percent": None, "max_disk_percent": None}
            shown = made.endpoint.variant(variant.variant_name)
            watching = EndpointAlarms(made, f"{variant.variant_name}Alarms", variant=shown, **given)
            for alarm in watching.alarms if asked.roll_back else ():
                made.endpoint.add_rollback_alarm(alarm)

    def _with_network(self, settings: EndpointSettings | EngineSettings) -> dict[str, Any]:
        """Return the arguments that settings describe, those of a VPC among them."""
        given = arguments(settings, self._place)
        if settings.vpc and settings.vpc.security_group_ids:
            given["security_groups"] = security_groups(self._place, settings.vpc)
        return given


class CompiledEndpointStack(_SettingsStack):
    """The endpoints that the ``neo`` context of cdk.json describes, compiled and hosted.

    Parameters
    ----------
    scope
        The app.
    construct_id
        Default: the stack name among the settings.
    settings
        What to deploy.
    folder
        What relative paths among the settings start from; the folder of cdk.json.
    kwargs
        Everything else that ``aws_cdk.Stack`` takes, such as ``env``.

    Attributes
    ----------
    endpoints
        The endpoints by their names among the settings.

    Raises
    ------
    ValidationError
        With the faults of the first endpoint that has any.
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str | None = None,
        *,
        settings: Settings,
        folder: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id or settings.stack_name, settings, folder, **kwargs)
        self._make_bucket(settings)
        self.endpoints = {each.name: self._add(each) for each in settings.endpoints}


class CompilationStack(_SettingsStack):
    """The compilation jobs of what a ``HostingStack`` serves; it is deployed before that.

    Parameters
    ----------
    scope
        The app.
    construct_id
        Default: the compilation stack's name among the settings, or the stack's name and
        ``Compile``.
    settings
        What to deploy.
    folder
        What relative paths among the settings start from; the folder of cdk.json.
    kwargs
        Everything else that ``aws_cdk.Stack`` takes, such as ``env``.
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str | None = None,
        *,
        settings: Settings,
        folder: Path,
        **kwargs: Any,
    ) -> None:
        name = construct_id or settings.compilation_stack_name or f"{settings.stack_name}Compile"
        super().__init__(scope, name, settings, folder, **kwargs)
        self._make_bucket(settings)


class HostingStack(_SettingsStack):
    """The endpoints that the ``neo`` context describes, compiled by another stack.

    What that compiles is read from parameters of Systems Manager at each deploy: neither stack
    keeps the other from changing. Both are of one region and account.

    Parameters
    ----------
    scope
        The app.
    construct_id
        Default: the stack name among the settings.
    compilation_stack
        What compiles; the jobs are made in it.
    settings
        What to deploy.
    folder
        What relative paths among the settings start from; the folder of cdk.json.
    kwargs
        Everything else that ``aws_cdk.Stack`` takes, such as ``env``.

    Attributes
    ----------
    endpoints
        The endpoints by their names among the settings.

    Raises
    ------
    ValidationError
        With the faults of the first endpoint that has any.

    Examples
    --------
    >>> compiling = CompilationStack(app, settings=settings, folder=folder)  # doctest: +SKIP
    >>> HostingStack(  # doctest: +SKIP
    ...     app, compilation_stack=compiling, settings=settings, folder=folder
    ... )
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str | None = None,
        *,
        compilation_stack: CompilationStack,
        settings: Settings,
        folder: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id or settings.stack_name, settings, folder, **kwargs)
        self.endpoints = {
            each.name: self._add(each, compilation_stack) for each in settings.endpoints
        }
