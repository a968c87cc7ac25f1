"""A container of a model: image, artifact, script, variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.compilation.imported_job import ImportedCompilationJob, handed_over
from neo_constructs.compilation.inference_image import InferenceImage, neo_repositories
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.engine.artifact_access import served_access
from neo_constructs.engine.asked_once import pseudo
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.permissions import places, use_keys
from neo_constructs.engine.statements import Statement
from neo_constructs.hosting.artifact_reading import read_artifact, read_prefix, reading_of
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.package_interface import IModelPackage
from neo_constructs.hosting.serving_archive import ServingArchive
from neo_constructs.scripts.serving_contract import EVERY_CONTAINER, ServingContract
from neo_constructs.typed import check_fields

SINGLE_MODEL: Final = "SingleModel"
MULTI_MODEL: Final = "MultiModel"
_PREFIX: Final = "S3Prefix"  # botocore, S3ModelDataType


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDefinition:
    """A container of a model: an image and what it serves.

    Parameters
    ----------
    compilation_job
        What compiled the model; its result and the image it reports are served.
    model_data_url
        An artifact in S3, instead of a job; then ``image`` is needed, and ``artifact_bucket``
        for the right to read it. With neither, the image serves what is in it.
    uncompressed_model_data
        Whether ``model_data_url`` is a prefix, ending in a slash, whose objects are the files of
        the model; else it is a ``.tar.gz``. Default: False.
    mode
        ``MultiModel`` for a container that serves each archive below ``model_data_url``, which then
        ends in a slash, as a model that requests name. Default: ``SingleModel``.
    inference_code
        The script. Default: the container's own handler.
    image
        Default: the image that the finished job reports.
    environment
        Variables of the container; they win over those set here. Default: none more.
    artifact_bucket
        Where ``model_data_url`` lies; with a job and a script, where the archive of both is
        written. Default: the job's bucket.
    container_hostname
        How a request names the container, where containers answer one by one. Default: none.
    model_package
        A version in the registry, in place of a job, an artifact and an image. Default: none.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by the model.

    Examples
    --------
    >>> ContainerDefinition(compilation_job=job, inference_code=code)  # doctest: +SKIP
    """

    compilation_job: ICompilationJob | None = None
    model_data_url: str | None = None
    uncompressed_model_data: bool = False
    mode: str = SINGLE_MODEL
    inference_code: InferenceCode | None = None
    image: InferenceImage | None = None
    environment: Mapping[str, str] | None = None
    artifact_bucket: s3.IBucket | None = None
    container_hostname: str | None = None
    model_package: IModelPackage | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @property
    def has_prefix(self) -> bool:
        """Whether ``model_data_url`` is a prefix of many objects."""
        return self.uncompressed_model_data or self.mode == MULTI_MODEL

    @property
    def is_x86(self) -> bool:
        """Whether the image is known to be for x86 processors only; Neo's are."""
        # Rests on A-HOST-02.
        return self.image.is_x86 if self.image else self.compilation_job is not None

    @property
    def contract(self) -> ServingContract:
        """How the container finds its script: the job's, the archive's, or PyTorch's by default."""
        if job := self.compilation_job:
            return ServingContract.of(job.framework, job.target)
        archive = ServingArchive.of_url(self.model_data_url)
        return archive.contract if archive else ServingContract.TOOLKIT

    @property
    def needs_network(self) -> str:
        """For what the container needs the network as it starts; empty for nothing."""
        archive = ServingArchive.of_url(self.model_data_url)
        script = archive.inference_code if archive else self.inference_code
        return self.contract.needs_network(installs=script.may_install) if script else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundContainer:
    """A container in a stack, and what its role needs.

    Parameters
    ----------
    definition
        As given, with a job as this stack may use it.
    image_uri, repository_arns
        The image, and where it is pulled from; empty if that cannot be known.
    url, bucket, encryption_key
        The artifact, where it lies, and what encrypts it.
    archive, compiled_url
        The archive with the script, and what one that was given was made from.
    """

    definition: ContainerDefinition
    image_uri: str
    repository_arns: tuple[str, ...]
    url: str | None
    bucket: s3.IBucket | None
    encryption_key: kms.IKey | None = None
    archive: ServingArchive | None = None
    compiled_url: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables."""
        asked, archive = self.definition, self.archive
        has_contract = bool(asked.compilation_job or archive)
        script = (
            {
                # Rests on A-NEO-06.
                "SAGEMAKER_PROGRAM": archive.entry_point,
                "SAGEMAKER_SUBMIT_DIRECTORY": archive.submit_directory,
            }
            if archive
            else {}
        )
        return {
            "SAGEMAKER_REGION": pseudo("REGION"),
            **(asked.contract.environment if has_contract else EVERY_CONTAINER),
            **script,
            **(asked.environment or {}),
        }

    @property
    def is_unpacked(self) -> bool:
        """Whether the artifact is all that lies below a prefix."""
        return self.definition.has_prefix

    @property
    def places(self) -> list[str]:
        """The ARNs of the buckets and keys that the container reads from."""
        if package := self.definition.model_package:
            return package.places
        archives = self.archive.artifact_bucket if self.archive else None
        return [
            place
            for bucket in dict.fromkeys((self.bucket, archives))
            if bucket
            for place in places(bucket, self.encryption_key)
        ]

    def render(self) -> sagemaker.CfnModel.ContainerDefinitionProperty:
        """Return it as CloudFormation has it."""
        made, asked = sagemaker.CfnModel, self.definition
        if package := asked.model_package:
            return made.ContainerDefinitionProperty(
                # Rests on A-REC-02.
                model_package_name=package.model_package_arn,
                environment=asked.environment,
                container_hostname=asked.container_hostname,
            )
        source = (
            made.ModelDataSourceProperty(
                s3_data_source=made.S3DataSourceProperty(
                    compression_type="None", s3_data_type=_PREFIX, s3_uri=self.url
                )
            )
            if asked.uncompressed_model_data and self.url
            else None
        )
        return made.ContainerDefinitionProperty(
            image=self.image_uri,
            model_data_url=None if source else self.url,
            model_data_source=source,
            environment=self.environment,
            mode=None if asked.mode == SINGLE_MODEL else asked.mode,
            container_hostname=asked.container_hostname,
        )

    def reading(self, scope: Construct) -> list[Statement]:
        """Return the rights to read what is served."""
        if package := self.definition.model_package:
            # Rests on A-REC-02.
            return package.reading(scope)
        return [
            *self._reading_of_artifact(scope),
            *self._reading_of_archive(scope),
            *(reading_of(scope, self.compiled_url) if self.compiled_url else ()),
        ]

    def _reading_of_artifact(self, scope: Construct) -> list[Statement]:
        """Return the right to read: all that the stack's engine makes, or the one key given."""
        asked, bucket = self.definition, self.bucket
        if bucket is None:
            return []
        job = asked.compilation_job
        imported = read_prefix(job) if isinstance(job, ImportedCompilationJob) else []
        if imported and job and self.url == job.model_data_url:
            return imported
        if job or ServingArchive.of_url(self.url):
            prefix = JobEngine.of(scope).name_prefix
            return [*served_access(prefix, bucket, self.encryption_key), *imported]
        place = read_artifact(bucket, self.url or "", is_prefix=asked.has_prefix)
        return [*place, *use_keys(["kms:Decrypt"], bucket)]

    def _reading_of_archive(self, scope: Construct) -> list[Statement]:
        """Return the right to read an archive in another bucket than the compiled artifact's."""
        other = self.archive.artifact_bucket if self.archive else None
        if other is None or other is self.bucket:
            return []
        return served_access(JobEngine.of(scope).name_prefix, other, self.encryption_key)


def bind_container(
    scope: Construct, asked: ContainerDefinition, *, is_isolated: bool
) -> BoundContainer:
    """Make what a container needs in a stack: the archive with its script, its image.

    An archive lies where it says, whichever bucket is given beside it.

    Parameters
    ----------
    scope
        Where what is made stands.
    asked
        The container.
    is_isolated
        Whether it will be cut off from the network.
    """
    if package := asked.model_package:
        return BoundContainer(
            definition=asked,
            image_uri=package.image_uri or "",
            repository_arns=package.repository_arns,
            url=None,
            bucket=None,
        )
    definition = _in_this_stack(scope, asked)
    uri, repositories = _image(scope, definition)
    job = definition.compilation_job
    archive = given = ServingArchive.of_url(definition.model_data_url)
    source = job or given
    if source is None:
        return BoundContainer(
            definition=definition,
            image_uri=uri,
            repository_arns=repositories,
            url=definition.model_data_url,
            bucket=definition.artifact_bucket,
        )
    if job and definition.inference_code:
        archive = ServingArchive(
            scope,
            "ServingArchive",
            model_data_url=job.model_data_url,
            inference_code=definition.inference_code,
            contract=definition.contract,
            artifact_bucket=definition.artifact_bucket or job.artifact_bucket,
            artifact_removal_policy=job.artifact_removal_policy,
            encryption_key=job.encryption_key,
            enable_network_isolation=is_isolated,
            compilation_job=job,
        )
    return BoundContainer(
        definition=definition,
        image_uri=uri,
        repository_arns=repositories,
        url=(archive or source).model_data_url,
        bucket=source.artifact_bucket,
        encryption_key=source.encryption_key,
        archive=archive,
        compiled_url=given.compiled_url if given else None,
    )


def _in_this_stack(scope: Construct, asked: ContainerDefinition) -> ContainerDefinition:
    job = asked.compilation_job
    if job is None:
        return asked
    return replace(asked, compilation_job=handed_over(scope, job))


def _image(scope: Construct, asked: ContainerDefinition) -> tuple[str, tuple[str, ...]]:
    job = asked.compilation_job
    if asked.image or job is None:
        assert asked.image  # noqa: S101 - the model's rules have said so
        location = asked.image.bind(scope)
        return location.uri, location.repository_arns
    # Rests on A-NEO-01.
    return job.inference_image, neo_repositories(scope, job.framework, job.target)
