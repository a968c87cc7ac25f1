"""The model: an image, an artifact, and a role with the least the container needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_cdk import Aws, Fn, Resource
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IDependable

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.imported_job import (
    ImportedCompilationJob,
    check_environments,
    handed_over,
)
from neo_constructs.compilation.inference_image import (
    InferenceImage,
    neo_repositories,
    pull_statements,
)
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.compilation.places import check_artifact_bucket
from neo_constructs.engine.artifact_access import served_access
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.permissions import (
    extend_role,
    logging_statements,
    places,
    service_principal,
    use_keys,
    warn,
)
from neo_constructs.findings.errors import raise_errors
from neo_constructs.hosting.artifact_reading import read_prefix, reading_of
from neo_constructs.hosting.artifact_url import split_url
from neo_constructs.hosting.imported_model import ImportedModel
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.model_rules import (
    check_network,
    check_place,
    check_sources,
    contract_of,
    pull_not_granted,
)
from neo_constructs.hosting.serving_archive import ServingArchive
from neo_constructs.scripts.serving_contract import EVERY_CONTAINER, ServingContract
from neo_constructs.typed import typed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """What a container serves.

    Parameters
    ----------
    url, bucket, encryption_key
        The artifact, where it lies, and what encrypts it.
    archive_bucket
        Where the archive with the script lies, if there is one.
    compiled_url
        What an archive that was given was made from.
    contract, archive
        The container's, and the archive with the script; None for an artifact of one's own.
    needs_network
        For what the container needs the network as it starts; empty for nothing.
    is_isolated
        Whether it is cut off from it.
    """

    url: str | None
    bucket: s3.IBucket | None
    encryption_key: kms.IKey | None = None
    archive_bucket: s3.IBucket | None = None
    compiled_url: str | None = None
    contract: ServingContract | None = None
    archive: ServingArchive | None = None
    needs_network: str = ""
    is_isolated: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables."""
        contract, archive = self.contract, self.archive
        script = (
            {
                "SAGEMAKER_PROGRAM": archive.entry_point,
                "SAGEMAKER_SUBMIT_DIRECTORY": archive.submit_directory,
            }
            if archive
            else {}
        )
        return {
            "SAGEMAKER_REGION": Aws.REGION,
            **(contract.environment if contract else EVERY_CONTAINER),
            **script,
        }


class Model(Resource):
    """A SageMaker model, made from a compilation job or from an artifact of your own.

    It has no name of its own: a model cannot change, and a named one could not be replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    compilation_job
        What compiled it; its result and the image it reports are served.
    model_data_url
        An artifact in S3, instead of a job; then ``image`` is needed, and ``artifact_bucket``
        for the right to read it.
    inference_code
        The script. Default: the container's own handler.
    image
        Default: the image that the finished job reports.
    role
        What the container acts as. Default: a role with the least it needs.
    environment
        Variables of the container; they win over those set here.
    artifact_bucket
        Where ``model_data_url`` lies; with a job and a script, where the archive of both is
        written. Default: the job's bucket.
    enable_network_isolation
        Default: on, but off where the container must reach out as it starts: for a script in S3,
        or for what a ``requirements.txt`` beside the script names.

    Attributes
    ----------
    model_name, model_arn
        Known at deploy.
    compilation_job
        As given.
    role
        As given, or the model's own.
    target
        What the model was compiled for, if that is known; else None.
    is_isolated
        Whether its container is cut off from the network.

    Raises
    ------
    ValidationError
        If what is given does not add up to a model, or the script does not fit the container.

    Examples
    --------
    >>> Model(stack, "Model", compilation_job=job)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        compilation_job: ICompilationJob | None = None,
        model_data_url: str | None = None,
        inference_code: InferenceCode | None = None,
        image: InferenceImage | None = None,
        role: iam.IRole | None = None,
        environment: Mapping[str, str] | None = None,
        artifact_bucket: s3.IBucket | None = None,
        enable_network_isolation: bool | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        found = [
            *check_sources(compilation_job, model_data_url, inference_code, image),
            *(check_environments(self, compilation_job) if compilation_job else ()),
            *check_place(self, model_data_url, artifact_bucket, role),
            *check_network(
                compilation_job, model_data_url, inference_code, enable_network_isolation
            ),
            *(check_artifact_bucket(self, artifact_bucket) if artifact_bucket else ()),
        ]
        raise_errors(found, subject=self.node.path)
        if compilation_job:
            compilation_job = handed_over(self, compilation_job)
        self.compilation_job: Final = compilation_job
        served = self._served(
            model_data_url, inference_code, artifact_bucket, enable_network_isolation
        )
        uri, repositories = self._image(image, compilation_job)
        if not repositories and role is None:
            warn(self, [pull_not_granted(image, uri)])
        self.role: Final[iam.IRole] = role or iam.Role(
            self,
            "Role",
            assumed_by=service_principal("*"),
            description="What the serving container may do",
        )
        dependencies = self._allow(served, repositories)
        self.is_isolated: Final = served.is_isolated
        self._resource = sagemaker.CfnModel(
            self,
            "Resource",
            execution_role_arn=self.role.role_arn,
            enable_network_isolation=served.is_isolated,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=uri,
                model_data_url=served.url,
                environment={**served.environment, **(environment or {})},
            ),
        )
        if served.needs_network and not served.is_isolated:
            self._resource.add_metadata("NetworkIsolation", f"Off: {served.needs_network}")
        # SageMaker reads the artifact as the model is made: the rights must be there.
        self._resource.node.add_dependency(*dependencies)
        self.model_name: Final[str] = self._resource.attr_model_name
        self.model_arn: Final[str] = self._resource.ref

    def _served(
        self,
        url: str | None,
        code: InferenceCode | None,
        bucket: s3.IBucket | None,
        isolation: bool | None,
    ) -> _Served:
        """Return what the container serves: a job's artifact, with a script or alone, or another.

        The parameters are the constructor's. An archive lies where it says, whichever bucket is
        given beside it.
        """
        job, archive = self.compilation_job, ServingArchive.of_url(url)
        source = job or archive
        if source is None:
            return _Served(url=url, bucket=bucket, is_isolated=isolation is not False)
        contract = contract_of(job, archive)
        script = archive.inference_code if archive else code
        why = contract.needs_network(installs=script.may_install) if script else ""
        is_isolated = not why if isolation is None else isolation
        compiled_url = archive.compiled_url if archive else None
        if job and code:
            archive = ServingArchive(
                self,
                "ServingArchive",
                model_data_url=job.model_data_url,
                inference_code=code,
                contract=contract,
                artifact_bucket=bucket or job.artifact_bucket,
                artifact_removal_policy=job.artifact_removal_policy,
                encryption_key=job.encryption_key,
                enable_network_isolation=is_isolated,
                compilation_job=job,
            )
        return _Served(
            url=(archive or source).model_data_url,
            bucket=source.artifact_bucket,
            archive_bucket=archive.artifact_bucket if archive else None,
            encryption_key=source.encryption_key,
            compiled_url=compiled_url,
            contract=contract,
            archive=archive,
            needs_network=why,
            is_isolated=is_isolated,
        )

    @property
    def target(self) -> TargetDevice | None:
        """What the model was compiled for, if a job of this app compiled it."""
        return self.compilation_job.target if self.compilation_job else None

    @staticmethod
    @typed
    def from_model_name(
        scope: Construct, construct_id: str, model_name: str, *, target: TargetDevice | None = None
    ) -> ImportedModel:
        """Return a model that is there already.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_name
            Its name.
        target
            What it was compiled for. Default: not known, and instance types are not checked.
        """
        return ImportedModel(scope, construct_id, model_name=model_name, target=target)

    @staticmethod
    @typed
    def from_model_arn(
        scope: Construct, construct_id: str, model_arn: str, *, target: TargetDevice | None = None
    ) -> ImportedModel:
        """Return a model that is there already, by its ARN; else as ``from_model_name``."""
        name = Fn.select(1, Fn.split("/", model_arn))
        return ImportedModel(scope, construct_id, model_name=name, target=target)

    def _image(
        self, image: InferenceImage | None, job: ICompilationJob | None
    ) -> tuple[str, tuple[str, ...]]:
        if image:
            location = image.bind(self)
            return location.uri, location.repository_arns
        assert job  # noqa: S101 - check_sources has said so
        framework: Framework = job.framework
        return job.inference_image, neo_repositories(self, framework, job.target)

    def _allow(self, served: _Served, repositories: tuple[str, ...]) -> list[IDependable]:
        """Give the role what the container needs, and return what must be waited for."""
        return extend_role(
            self,
            self.role,
            [
                *pull_statements(repositories),
                # API reference of CreateModel, ExecutionRoleArn.
                *logging_statements("/aws/sagemaker/Endpoints/*"),
                *self._reading(served.bucket, served.url, served.encryption_key),
                *self._reading_elsewhere(served),
                *(reading_of(self, served.compiled_url) if served.compiled_url else ()),
            ],
            places=[
                place
                for bucket in dict.fromkeys((served.bucket, served.archive_bucket))
                if bucket
                for place in places(bucket, served.encryption_key)
            ],
        )

    def _reading_elsewhere(self, served: _Served) -> list[iam.PolicyStatement]:
        """Return the right to read an archive in another bucket than the compiled artifact's."""
        other = served.archive_bucket
        if other is None or other is served.bucket:
            return []
        prefix = JobEngine.of(self).name_prefix
        return served_access(prefix, other, served.encryption_key)

    def _reading(
        self, bucket: s3.IBucket | None, url: str | None, key: kms.IKey | None
    ) -> list[iam.PolicyStatement]:
        """Return the right to read: all that the stack's engine makes, or the one key given."""
        if bucket is None:
            return []
        job = self.compilation_job
        imported = read_prefix(job) if isinstance(job, ImportedCompilationJob) else []
        if imported and job and url == job.model_data_url:
            return imported
        if job or ServingArchive.of_url(url):
            return [*served_access(JobEngine.of(self).name_prefix, bucket, key), *imported]
        # A key that is known only at deploy gives "*", and cdk-nag reports that wildcard.
        _, place = split_url(url or "")
        place = place or "*"
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[bucket.arn_for_objects(place)]
            ),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": place}},
            ),
            *use_keys(["kms:Decrypt"], bucket),
        ]
