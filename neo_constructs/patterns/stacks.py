"""Deployable stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Duration, PermissionsBoundary, RemovalPolicy, Stack, Tags
from aws_cdk.aws_s3 import Bucket
from constructs import Construct

from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.patterns.compiled_endpoint import CompiledEndpoint
from neo_constructs.patterns.settings import EndpointSettings, Settings
from neo_constructs.typed import typed


class CompiledEndpointStack(Stack):
    """The endpoints that the ``neo`` context of cdk.json describes.

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
        if settings.permissions_boundary:
            boundary = settings.permissions_boundary
            kwargs["permissions_boundary"] = (
                PermissionsBoundary.from_arn(boundary)
                if boundary.startswith("arn:")
                else PermissionsBoundary.from_name(boundary)
            )
        super().__init__(scope, construct_id or settings.stack_name, **kwargs)
        for key, value in settings.tags.items():
            Tags.of(self).add(key, value)
        self.endpoints = {e.name: self._add(e, folder) for e in settings.endpoints}

    def _code(self, settings: EndpointSettings, folder: Path) -> InferenceCode | None:
        given = settings.inference_code
        if given is None:
            return None
        if not given.startswith("s3://"):
            return InferenceCode.from_asset(folder / given, settings.entry_point)
        name, _, key = given.removeprefix("s3://").partition("/")
        bucket = Bucket.from_bucket_name(self, f"{settings.construct_id}Scripts", name)
        return InferenceCode.from_bucket(bucket, key, entry_point=settings.entry_point)

    def _add(self, settings: EndpointSettings, folder: Path) -> CompiledEndpoint:
        name = settings.construct_id
        remote = settings.model_data.startswith("s3://")
        made = CompiledEndpoint(
            self,
            name,
            model_data=(
                ModelData.from_s3_uri(settings.model_data)
                if remote
                else ModelData.from_asset(folder / settings.model_data)
            ),
            target=settings.target,
            instance_type=settings.instance_type,
            framework=settings.framework,
            data_input_config=settings.data_input_config,
            inference_code=self._code(settings, folder),
            compiler_options=settings.compiler_options,
            image=InferenceImage.from_uri(settings.image) if settings.image else None,
            initial_instance_count=settings.initial_instance_count,
            endpoint_name=settings.endpoint_name,
            max_runtime=Duration.minutes(settings.max_runtime_minutes),
            artifact_removal_policy=RemovalPolicy[settings.artifact_removal_policy],
        )
        (job,) = made.compilation_jobs
        for output, value in (
            ("EndpointName", made.endpoint.endpoint_name),
            ("CompilationJobName", job.compilation_job_name),
            ("CompiledModel", job.model_data_url),
        ):
            CfnOutput(self, f"{name}{output}", value=value)
        return made
