"""What the serving container gets: the compiled artifact, and the script where it looks for it."""

from __future__ import annotations

from typing import Final

from aws_cdk import RemovalPolicy, Resource, Token
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.archive.entry_point import Contract
from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.errors import raise_errors
from neo_constructs.findings import Finding
from neo_constructs.hosting.inference_code import InferenceCode

RESOURCE_TYPE: Final = "Custom::NeoServingArchive"


class ServingArchive(Resource):
    """A compiled artifact together with its script.

    The script never goes to the compiler, so editing it compiles nothing. For the containers of
    ONNX and Keras models the script is an archive of its own in S3, under a key that is never
    written twice.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_data_url
        The compiled artifact.
    inference_code
        The script.
    contract
        How the container finds the script.
    artifact_bucket
        Default: one bucket per stack, made and shared.
    artifact_removal_policy
        ``DESTROY`` deletes the script's copy with the resource. Default: ``RETAIN``.

    Raises
    ------
    ValidationError
        If the script does not fit the container, or the container wants it in a place that this
        release cannot bring it to.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_data_url: str,
        inference_code: InferenceCode,
        contract: Contract = Contract.DLR,
        artifact_bucket: s3.IBucket | None = None,
        artifact_removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_errors(
            [*_unsupported(contract), *inference_code.check(contract)], subject=self.node.path
        )
        engine = JobEngine.of(self)
        self.artifact_bucket: Final[s3.IBucket] = artifact_bucket or ArtifactBucket.of(self)
        engine.use_artifact_bucket(self.artifact_bucket)
        location = inference_code.bind(self)
        engine.read_object(
            location.bucket, location.key, has_version=location.object_version is not None
        )
        resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            properties={
                "ModelDataUrl": model_data_url,
                "Script": {"S3Uri": location.s3_uri, "Fingerprint": location.fingerprint},
                "OutputLocation": f"s3://{self.artifact_bucket.bucket_name}/",
                "ArtifactRemovalPolicy": artifact_removal_policy.name,
            },
        )
        self.model_data_url: Final = Token.as_string(resource.get_att("ModelDataUrl"))
        self.submit_directory: Final = Token.as_string(resource.get_att("SubmitDirectory"))


def _unsupported(contract: Contract) -> list[Finding]:
    if contract in {Contract.TOOLKIT, Contract.TENSORFLOW}:
        return [
            Finding(
                code="serving-archive-repack",
                where="inference_code",
                message=(
                    "This container reads the script from code/ inside the served archive, and "
                    "this release cannot put it there yet."
                ),
                fix="leave inference_code out to use the container's default handlers, or give "
                "Model a model_data_url of an archive that has code/ in it.",
            )
        ]
    if contract is Contract.NONE:
        return [
            Finding(
                code="script-not-taken",
                where="inference_code",
                message="This container has a handler of its own and takes no script.",
                fix="leave inference_code out.",
            )
        ]
    return []
