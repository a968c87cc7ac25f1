"""What the serving container gets: the compiled artifact, and the script where it looks for it."""

from __future__ import annotations

from typing import Final, cast

from aws_cdk import Reference, RemovalPolicy, Resource, Token, Tokenization
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.compilation.imported_job import ImportedCompilationJob
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.compilation.sources import read_source
from neo_constructs.engine.asked_once import asked, remembered, settle
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.permissions import warn
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.scripts.serving_contract import CODE, ServingContract
from neo_constructs.typed import typed

RESOURCE_TYPE: Final = "Custom::NeoServingArchive"


class ServingArchive(Resource):
    """A compiled artifact together with its script.

    The script never goes to the compiler, so editing it compiles nothing. The containers of
    PyTorch, MXNet and TensorFlow models get one archive with the script under ``code/``; those of
    ONNX and Keras models get the script in an archive of its own. Either is written to a key that
    is never written twice: an endpoint that serves from an older one keeps it.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_data_url
        The compiled artifact. One outside of the artifact bucket must be readable for the
        stack's job engine: an ``s3://`` URI known at synth is.
    inference_code
        The script.
    contract
        How the container finds the script. Default: ``ServingContract.TOOLKIT``, as PyTorch's and
        MXNet's do.
    artifact_bucket
        Default: one bucket per stack, made and shared.
    artifact_removal_policy
        ``DESTROY`` deletes the archive with the resource. Default: ``RETAIN``.
    encryption_key
        Encrypts the archive. Default: the bucket's own key.
    enable_network_isolation
        Whether the container will be cut off from the network. Then the deploy refuses a
        ``requirements.txt`` in the script's archive, which it could not install. Default: False.
    compilation_job
        What has written ``model_data_url``; the engine gets the right to read what one of another
        stack writes. Default: a job of this stack.

    Attributes
    ----------
    model_data_url
        What the model is made from: the archive, or the compiled artifact where the script has an
        archive of its own. Known at deploy.
    submit_directory
        ``SAGEMAKER_SUBMIT_DIRECTORY`` of the container, known at deploy.
    entry_point
        ``SAGEMAKER_PROGRAM`` of the container.
    artifact_bucket, encryption_key
        As given, or the stack's, and the bucket's.
    contract, inference_code
        As given.
    compiled_url
        The compiled artifact, as given by ``model_data_url``.

    Raises
    ------
    ValidationError
        If the script does not fit the container, or the container takes none.

    Examples
    --------
    >>> ServingArchive(  # doctest: +SKIP
    ...     stack,
    ...     "Archive",
    ...     model_data_url=job.model_data_url,
    ...     inference_code=InferenceCode.from_asset("code"),
    ... )
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_data_url: str,
        inference_code: InferenceCode,
        contract: ServingContract = ServingContract.TOOLKIT,
        artifact_bucket: s3.IBucket | None = None,
        artifact_removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        encryption_key: kms.IKey | None = None,
        enable_network_isolation: bool = False,
        compilation_job: ICompilationJob | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        warn(self, raise_errors(inference_code.check(contract), subject=lambda: self.node.path))
        engine = JobEngine.of(self)
        self.artifact_bucket: Final[s3.IBucket] = artifact_bucket or ArtifactBucket.of(self)
        key = encryption_key or asked(self.artifact_bucket, "encryption_key")
        area = engine.artifact_area(self.artifact_bucket, encryption_key)
        location = read_source(self, engine, inference_code.bind(self), "inference_code")
        self._read_model(engine, model_data_url)
        if isinstance(compilation_job, ImportedCompilationJob):
            place = f"{compilation_job.artifact_prefix}-*"
            engine.read_object(compilation_job.artifact_bucket, place)
        layout = contract.layout
        self._resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            depends_on=[area.engine_policy],
            properties={
                "ModelDataUrl": model_data_url,
                "Script": {
                    "S3Uri": location.s3_uri,
                    "ObjectVersion": location.object_version,
                    "Fingerprint": location.fingerprint,
                },
                "EntryPoint": inference_code.entry_point,
                "Layout": layout,
                "NetworkIsolation": enable_network_isolation if layout == CODE else None,
                "OutputLocation": f"s3://{asked(self.artifact_bucket, 'bucket_name')}/",
                "KmsKeyId": asked(key, "key_arn") if key else None,
                "ArtifactRemovalPolicy": artifact_removal_policy.name,
            },
        )
        self.entry_point: Final[str] = inference_code.entry_point
        self.encryption_key: Final[kms.IKey | None] = key
        self.contract: Final = contract
        self.inference_code: Final = inference_code
        self.compiled_url: Final = model_data_url

    @property
    def model_data_url(self) -> str:
        """What the container loads: an ``s3://`` URI."""
        return self._attribute("ModelDataUrl")

    @property
    def submit_directory(self) -> str:
        """Where the container finds its script."""
        return self._attribute("SubmitDirectory")

    @staticmethod
    @typed
    def of_url(url: str | None) -> ServingArchive | None:
        """Return the archive whose ``model_data_url`` this is; None for any other URL."""
        token = Tokenization.reverse_string(url).first_token if url else None
        if token is None or not Reference.is_reference(token):
            return None
        owner = cast(Reference, token).target.node.scope
        return owner if isinstance(owner, ServingArchive) else None

    def _attribute(self, name: str) -> str:
        return remembered(self, name, lambda: Token.as_string(self._resource.get_att(name)))

    def _read_model(self, engine: JobEngine, url: str) -> None:
        """Let the engine read an artifact that no job of this stack has written."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not is_unresolved(url) and url.startswith("s3://"):
            engine.read_object(s3.Bucket.from_bucket_name(self, "ModelBucket", bucket), key)
