"""A version of a model in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import RemovalPolicy, Resource
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.catalog.data_input import DataInputConfig, DataInputConfigLike
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.engine.keys import real_key
from neo_constructs.engine.permissions import places, use_keys, warn
from neo_constructs.engine.statements import Statement
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.artifact_reading import read_artifact
from neo_constructs.hosting.container import BoundContainer, ContainerDefinition, bind_container
from neo_constructs.registry.model_package_group import IModelPackageGroup, ModelPackageGroup
from neo_constructs.registry.package_rules import APPROVAL_STATUSES, PackageFacts
from neo_constructs.registry.sample_payload import SamplePayload
from neo_constructs.typed import typed

JSON: Final = ("application/json",)


class ModelPackage(Resource):
    """A version of a model in the registry: image, artifact, and what Recommender asks of them.

    A new model gives a new version, and the old one stays: it is retained when it is replaced, and
    when the stack is deleted. A compiled model and an uncompiled one are registered alike.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_package_group
        What it is a version of.
    container
        Image, artifact and script: of a ``compilation_job``, or of an artifact of your own with its
        image, such as ``InferenceImage.deep_learning_container``.
    domain
        ``COMPUTER_VISION``, ``NATURAL_LANGUAGE_PROCESSING`` or ``MACHINE_LEARNING``. Default: none;
        Inference Recommender needs one.
    task
        Such as ``IMAGE_CLASSIFICATION``; ``OTHER`` where none fits. Default: none, likewise.
    framework, framework_version
        Of the model, in the registry's words: ``PYTORCH``, ``2.0``. Default: the compilation job's.
    nearest_model_name
        The benchmarked model that it is most like, by ListModelMetadata. Default: none.
    data_input_config
        Names and shapes of the inputs, up to 1,024 characters as JSON: with them, Inference
        Recommender compiles an uncompiled model by itself. Default: none.
    sample_payload
        Requests to measure the model with. Default: none; a recommendations job can have its own.
    supported_content_types, supported_response_mime_types
        Default: ``application/json`` each.
    supported_realtime_inference_instance_types
        Default: those of the compilation job's target; else any.
    supported_transform_instance_types
        Default: none.
    model_approval_status
        ``Approved``, ``Rejected`` or ``PendingManualApproval``. Default: the last.
    approval_description, description
        Default: none.
    customer_metadata_properties
        Up to 50 texts by their names. Default: none.
    encryption_key
        Encrypts what the registry keeps. Default: SageMaker's own key.

    Attributes
    ----------
    model_package_arn
        Known at deploy.
    model_package_group
        As given.
    image_uri, repository_arns, target, places
        Its image and where that is pulled from, what it was compiled for, and where its artifact
        lies, for the model that serves it.
    contents, sample_payload_location
        What it registers, by the API's names, and where its requests lie: what a measurement of it
        depends on.

    Raises
    ------
    ValidationError
        If what is given does not add up to a version.

    Examples
    --------
    >>> ModelPackage(  # doctest: +SKIP
    ...     stack,
    ...     "Version",
    ...     model_package_group=group,
    ...     container=ContainerDefinition(compilation_job=job, inference_code=code),
    ...     domain="COMPUTER_VISION",
    ...     task="IMAGE_CLASSIFICATION",
    ... )
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group: IModelPackageGroup,
        container: ContainerDefinition,
        domain: str | None = None,
        task: str | None = None,
        framework: str | None = None,
        framework_version: str | None = None,
        nearest_model_name: str | None = None,
        data_input_config: DataInputConfigLike | None = None,
        sample_payload: SamplePayload | None = None,
        supported_content_types: Sequence[str] = JSON,
        supported_response_mime_types: Sequence[str] = JSON,
        supported_realtime_inference_instance_types: Sequence[str] | None = None,
        supported_transform_instance_types: Sequence[str] = (),
        model_approval_status: str = APPROVAL_STATUSES[-1],
        approval_description: str | None = None,
        description: str | None = None,
        customer_metadata_properties: Mapping[str, str] | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        inputs = None if data_input_config is None else DataInputConfig.coerce(data_input_config)
        job = container.compilation_job
        types = supported_realtime_inference_instance_types
        facts = PackageFacts(
            container=container,
            group=model_package_group,
            domain=domain,
            task=task,
            framework_version=framework_version,
            sample_payload=sample_payload,
            data_input_config=inputs.to_json() if inputs else None,
            instance_types=types,
            approval_status=model_approval_status,
            metadata=customer_metadata_properties or {},
        )
        warn(self, raise_errors(facts.check(self), subject=lambda: self.node.path))
        # Rests on A-REC-03.
        bound = bind_container(self, container, is_isolated=False)
        payload = sample_payload.bind(self) if sample_payload else None
        made = sagemaker.CfnModelPackage
        self._resource = made(
            self,
            "Resource",
            model_package_group_name=model_package_group.model_package_group_name,
            model_package_description=description,
            domain=domain,
            task=task,
            sample_payload_url=payload.s3_uri if payload else None,
            model_approval_status=model_approval_status,
            approval_description=approval_description,
            customer_metadata_properties=customer_metadata_properties,
            security_config=(
                made.SecurityConfigProperty(kms_key_id=real_key(encryption_key).key_arn)
                if encryption_key
                else None
            ),
            inference_specification=made.InferenceSpecificationProperty(
                containers=[
                    _rendered(
                        bound,
                        framework=framework or (job.framework.name if job else None),
                        framework_version=framework_version
                        or (job.framework.version if job else None),
                        nearest_model_name=nearest_model_name,
                        data_input_config=facts.data_input_config,
                    )
                ],
                supported_content_types=list(supported_content_types),
                supported_response_mime_types=list(supported_response_mime_types),
                supported_realtime_inference_instance_types=(
                    list(types)
                    if types is not None
                    else list(job.target.instance_types)
                    if job
                    else None
                ),
                supported_transform_instance_types=(
                    list(supported_transform_instance_types) or None
                ),
            ),
        )
        if isinstance(model_package_group, ModelPackageGroup):
            # Its name says nothing of the order.
            self._resource.node.add_dependency(model_package_group)
        # A version is what others have approved: it outlives what registered it.
        # Rests on A-REC-01, A-REC-13.
        self._resource.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        self._bound = bound
        self.target: Final = job.target if job else None
        self.image_uri: Final[str | None] = bound.image_uri
        self.sample_payload_location: Final = payload
        self.contents: Final[Mapping[str, Any]] = {
            "Image": bound.image_uri,
            "ModelDataUrl": bound.url or "",
            "Environment": bound.environment,
            "Framework": framework or (job.framework.name if job else ""),
            "FrameworkVersion": framework_version or (job.framework.version if job else "") or "",
            "Domain": domain or "",
            "Task": task or "",
            "NearestModelName": nearest_model_name or "",
            "DataInputConfig": facts.data_input_config or "",
            # A target's types grow with the catalog, which makes no other version.
            "SupportedInstanceTypes": list(types or ()),
            "SupportedContentTypes": list(supported_content_types),
            "SamplePayload": (payload.fingerprint or payload.s3_uri) if payload else "",
        }
        self.repository_arns: Final = bound.repository_arns
        self.model_package_group: Final = model_package_group
        self.model_package_arn: Final[str] = self._resource.ref

    @property
    def places(self) -> list[str]:
        """The ARNs of the buckets and keys that its artifact is read from."""
        return self._bound.places

    def reading(self, scope: Construct) -> list[Statement]:
        """Return the rights to read its artifact, as the stack of this version gives them."""
        del scope
        return self._bound.reading(self)

    @staticmethod
    @typed
    def from_model_package_arn(
        scope: Construct,
        construct_id: str,
        model_package_arn: str,
        *,
        artifact_bucket: s3.IBucket | None = None,
        artifact_prefix: str = "",
        image: InferenceImage | None = None,
        target: TargetDevice | None = None,
    ) -> ImportedModelPackage:
        """Return a version that is registered already.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_package_arn
            Its ARN, with the version.
        artifact_bucket, artifact_prefix
            Where its artifact lies, for the right of a model's role to read it. Default: not known,
            and a warning says what is missing.
        image
            Its image, for the right to pull it. Default: not known, likewise.
        target
            What it was compiled for. Default: not known, and instance types are not checked.
        """
        return ImportedModelPackage(
            scope,
            construct_id,
            arn=model_package_arn,
            bucket=artifact_bucket,
            prefix=artifact_prefix,
            image=image,
            target=target,
        )


class ImportedModelPackage(Resource):
    """A version that is registered already; see ``ModelPackage.from_model_package_arn``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arn: str,
        bucket: s3.IBucket | None,
        prefix: str,
        image: InferenceImage | None,
        target: TargetDevice | None,
    ) -> None:
        known = None if is_unresolved(arn) else arn
        super().__init__(scope, construct_id, environment_from_arn=known)
        raise_errors(_check_arn(known), subject=lambda: self.node.path)
        location = image.bind(self) if image else None
        self._bucket, self._prefix = bucket, prefix
        self.model_package_arn: Final = arn
        self.image_uri: Final = location.uri if location else None
        self.repository_arns: Final = location.repository_arns if location else ()
        self.target: Final = target
        self.sample_payload_location: Final = None
        self.contents: Final[Mapping[str, Any]] = {}

    @property
    def places(self) -> list[str]:
        """The ARNs of the buckets and keys that its artifact is read from, as far as known."""
        return places(self._bucket) if self._bucket else []

    def reading(self, scope: Construct) -> list[Statement]:
        """Return the rights to read its artifact, as far as it is known."""
        if self._bucket is None:
            warn(scope, [_place_unknown(self.node.path)])
            return []
        url = f"s3://{self._bucket.bucket_name}/{self._prefix}"
        read = read_artifact(self._bucket, url, is_prefix=not self._prefix.endswith(".tar.gz"))
        return [*read, *use_keys(["kms:Decrypt"], self._bucket)]


def _check_arn(arn: str | None) -> list[Finding]:
    if arn is None or ":model-package/" in arn:
        return []
    return [
        Finding(
            code="package-name",
            where="model_package_arn",
            message=f"{arn!r} is not the ARN of a version, arn:...:model-package/group/1.",
            fix="copy it from `aws sagemaker list-model-packages`.",
        )
    ]


def _place_unknown(path: str) -> Finding:
    return Finding(
        code="package-artifact-unknown",
        level=Level.WARNING,
        where="model_package",
        message=f"Where the artifact of {path} lies is not known, so that the model's role gets no "
        "right to read it.",
        fix="import the version with artifact_bucket and artifact_prefix, or give the model a role "
        "that may read it.",
    )


def _rendered(
    bound: BoundContainer,
    *,
    framework: str | None,
    framework_version: str | None,
    nearest_model_name: str | None,
    data_input_config: str | None,
) -> sagemaker.CfnModelPackage.ModelPackageContainerDefinitionProperty:
    """Return a container as the registry has it."""
    made = sagemaker.CfnModelPackage
    return made.ModelPackageContainerDefinitionProperty(
        image=bound.image_uri,
        # Rests on A-REC-03.
        model_data_url=bound.url,
        environment=bound.environment,
        container_hostname=bound.definition.container_hostname,
        framework=framework,
        framework_version=framework_version,
        nearest_model_name=nearest_model_name,
        # The CDK passes this one on as it is: a value of its own would keep its own spelling.
        model_input={"DataInputConfig": data_input_config} if data_input_config else None,
    )
