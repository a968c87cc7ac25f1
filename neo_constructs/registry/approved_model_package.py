"""The newest approved version of a group, as each deploy finds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import Resource, Token
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.places import check_region
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.findings.errors import raise_errors
from neo_constructs.registry.model_package import ImportedModelPackage
from neo_constructs.registry.model_package_group import IModelPackageGroup
from neo_constructs.typed import typed

RESOURCE_TYPE: Final = "Custom::NeoApprovedModelPackage"


class ApprovedModelPackage(Resource):
    """The newest approved version of a group, looked up by the deploy and not by the synth.

    CloudFormation asks only about what has changed in a template, and an approval changes none.
    Give ``revision`` something that is new whenever a deploy shall look again, such as the number
    of a pipeline's run. What was found for a revision is kept: a rollback serves the version that
    was served before, also if that was approved before the one that failed.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_package_group
        The group. A deploy fails if nothing in it is approved.
    revision
        A new one makes the deploy look again. Default: it looks once, as the resource is made.
    artifact_bucket, artifact_prefix
        Where the artifacts of its versions lie, for the right of a model's role to read them.
        Default: not known, and a warning says what is missing.
    image
        The image of its versions, for the right to pull it. Default: not known, likewise.
    target
        What they were compiled for. Default: not known, and instance types are not checked.

    Attributes
    ----------
    model_package_arn, model_package_version
        Known at deploy.
    model_package_group
        As given.
    image_uri, repository_arns, target, places, contents, sample_payload_location
        As far as known, for the model that serves it.

    Examples
    --------
    >>> version = ApprovedModelPackage(  # doctest: +SKIP
    ...     stack, "Approved", model_package_group=group, revision=os.environ["RUN_NUMBER"]
    ... )
    >>> Model(stack, "Model", model_package=version)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group: IModelPackageGroup,
        revision: str | None = None,
        artifact_bucket: s3.IBucket | None = None,
        artifact_prefix: str = "",
        image: InferenceImage | None = None,
        target: TargetDevice | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        found = check_region(self, model_package_group, "model_package_group")
        raise_errors(found, subject=lambda: self.node.path)
        engine, records = JobEngine.of(self), ArtifactBucket.of(self)
        key = records.encryption_key
        # The action has no resource level.
        listing = allow(
            # Rests on A-REC-12.
            sid="FindModelPackages",
            actions=["sagemaker:ListModelPackages"],
            resources=["*"],
        )
        self._resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            depends_on=[
                engine.artifact_area(records).engine_policy,
                engine.allow("ModelPackages", [listing]),
            ],
            properties={
                "ModelPackageGroupName": model_package_group.model_package_group_arn,
                "Revision": revision,
                "OutputLocation": f"s3://{records.bucket_name}/",
                "KmsKeyId": key.key_arn if key else None,
            },
        )
        self.model_package_group: Final = model_package_group
        self.model_package_arn: Final = self._attribute("ModelPackageArn")
        self.model_package_version: Final = self._attribute("ModelPackageVersion")
        self._version = ImportedModelPackage(
            self,
            "Version",
            arn=self.model_package_arn,
            bucket=artifact_bucket,
            prefix=artifact_prefix,
            image=image,
            target=target,
        )
        self.image_uri: Final = self._version.image_uri
        self.repository_arns: Final = self._version.repository_arns
        self.target: Final = target
        self.sample_payload_location: Final = None
        self.contents: Final[Mapping[str, Any]] = {}

    @property
    def places(self) -> list[str]:
        """The ARNs of the buckets and keys that its artifact is read from, as far as known."""
        return self._version.places

    def reading(self, scope: Construct) -> list[Statement]:
        """Return the rights to read its artifact, as far as it is known."""
        return self._version.reading(scope)

    def _attribute(self, name: str) -> str:
        return Token.as_string(self._resource.get_att(name))
