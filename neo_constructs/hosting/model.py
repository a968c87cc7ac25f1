"""The model: an image, an artifact, and a role with the least the container needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import Aws, Fn, Resource, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

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
from neo_constructs.compilation.model_data import check_key
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
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.serving_archive import ServingArchive
from neo_constructs.scripts.serving_contract import ServingContract
from neo_constructs.typed import typed


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
        Where ``model_data_url`` lies. Default: the job's bucket.
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
        raise_errors(
            [
                *_check(compilation_job, model_data_url, inference_code, image),
                *(check_environments(self, compilation_job) if compilation_job else ()),
                *_check_place(self, model_data_url, artifact_bucket, role),
                *_check_network(
                    compilation_job, model_data_url, inference_code, enable_network_isolation
                ),
                *(check_artifact_bucket(self, artifact_bucket) if artifact_bucket else ()),
            ],
            subject=self.node.path,
        )
        if compilation_job:
            compilation_job = handed_over(self, compilation_job)
        self.compilation_job: Final = compilation_job
        given = ServingArchive.of_url(model_data_url)
        of = compilation_job or given
        # An archive lies where it says, whichever bucket is given beside it.
        own = of.artifact_bucket if of else None
        bucket = own if given else artifact_bucket or own
        url = compilation_job.model_data_url if compilation_job else model_data_url
        contract = contract_of(compilation_job, given)
        variables = {"SAGEMAKER_REGION": Aws.REGION, **contract.environment}
        reaches_out = ""
        if inference_code and compilation_job:
            reaches_out = contract.needs_network(installs=inference_code.may_install)
            archive = ServingArchive(
                self,
                "ServingArchive",
                model_data_url=compilation_job.model_data_url,
                inference_code=inference_code,
                contract=contract,
                artifact_bucket=bucket,
                artifact_removal_policy=compilation_job.artifact_removal_policy,
                encryption_key=compilation_job.encryption_key,
                enable_network_isolation=_or_default(enable_network_isolation, not reaches_out),
                compilation_job=compilation_job,
            )
            url = archive.model_data_url
            variables["SAGEMAKER_PROGRAM"] = inference_code.entry_point
            variables["SAGEMAKER_SUBMIT_DIRECTORY"] = archive.submit_directory

        elif given:
            reaches_out = contract.needs_network(installs=given.inference_code.may_install)
            variables["SAGEMAKER_PROGRAM"] = given.entry_point
            variables["SAGEMAKER_SUBMIT_DIRECTORY"] = given.submit_directory

        uri, repositories = self._image(image, compilation_job)
        if not repositories and role is None:
            warn(self, [_pull_not_granted(image, uri)])
        self.role: Final[iam.IRole] = role or iam.Role(
            self,
            "Role",
            assumed_by=service_principal("*"),
            description="What the serving container may do",
        )
        key = of.encryption_key if of else None
        dependencies = extend_role(
            self,
            self.role,
            [
                *pull_statements(repositories),
                # API reference of CreateModel, ExecutionRoleArn.
                *logging_statements("/aws/sagemaker/Endpoints/*"),
                *self._reading(bucket, url, key),
                *(_reading_of(self, given.compiled_url) if given else ()),
            ],
            places=places(bucket, key) if bucket else [],
        )
        is_isolated = _or_default(enable_network_isolation, not reaches_out)
        self.is_isolated: Final = is_isolated
        self._resource = sagemaker.CfnModel(
            self,
            "Resource",
            execution_role_arn=self.role.role_arn,
            enable_network_isolation=is_isolated,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=uri,
                model_data_url=url,
                environment={**variables, **(environment or {})},
            ),
        )
        if reaches_out and not is_isolated:
            self._resource.add_metadata("NetworkIsolation", f"Off: {reaches_out}")
        # SageMaker reads the artifact as the model is made: the rights must be there.
        self._resource.node.add_dependency(*dependencies)
        self.model_name: Final[str] = self._resource.attr_model_name
        self.model_arn: Final[str] = self._resource.ref

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
        assert job  # noqa: S101 - _check has said so
        framework: Framework = job.framework
        return job.inference_image, neo_repositories(self, framework, job.target)

    def _reading(
        self, bucket: s3.IBucket | None, url: str | None, key: kms.IKey | None
    ) -> list[iam.PolicyStatement]:
        """Return the right to read the artifact: of a job's all, of another's its own key."""
        if bucket is None:
            return []
        job = self.compilation_job
        imported = read_prefix(job) if isinstance(job, ImportedCompilationJob) else []
        if imported and job and url == job.model_data_url:
            return imported
        if job or ServingArchive.of_url(url):
            return [*served_access(JobEngine.of(self).name_prefix, bucket, key), *imported]
        # A key that is known only at deploy can be any: that is not acknowledged to reviewers.
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


class ImportedModel(Resource):
    """A model that is there already; see ``Model.from_model_name``."""

    def __init__(
        self, scope: Construct, construct_id: str, *, model_name: str, target: TargetDevice | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.model_name: Final = model_name
        # SageMaker lowercases names in ARNs; one that is known only at deploy is taken as it is.
        name = model_name if Token.is_unresolved(model_name) else model_name.lower()
        self.model_arn: Final = Stack.of(self).format_arn(
            service="sagemaker", resource="model", resource_name=name
        )
        self.target: Final = target
        self.is_isolated: Final = False  # not known


def read_prefix(job: ICompilationJob) -> list[iam.PolicyStatement]:
    """Return the right to read what a job of another stack has compiled, and nothing else."""
    bucket, prefix = job.artifact_bucket, job.artifact_prefix
    return [
        iam.PolicyStatement(
            actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{prefix}-*")]
        ),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": f"{prefix}-*"}},
        ),
        *use_keys(["kms:Decrypt"], bucket, job.encryption_key),
    ]


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an artifact's URL; empty where they are known only at deploy.

    Source: botocore, pattern of Url, which takes ``s3://`` and ``https://`` addresses.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        return host, path
    if scheme == "https" and host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    if scheme == "https" and ".s3" in host:
        return host.partition(".s3")[0], path
    return "", ""


def _reading_of(scope: Construct, url: str) -> list[iam.PolicyStatement]:
    """Return the right to read an artifact that no job of the stack has compiled.

    The containers with an archive of its own for the script load it from where it is.
    """
    name, key = split_url(url)
    if Token.is_unresolved(url) or not key:
        return []
    arn = f"arn:{Stack.of(scope).partition}:s3:::{name}"
    return [
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"{arn}/{key}"]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[arn],
            conditions={"StringLike": {"s3:prefix": key}},
        ),
    ]


def _check_network(
    job: ICompilationJob | None,
    url: str | None,
    code: InferenceCode | None,
    isolation: bool | None,
) -> list[Finding]:
    """Say whether a container that must reach out as it starts is cut off."""
    if given := ServingArchive.of_url(url):
        code = given.inference_code
    why = contract_of(job, given).needs_network(installs=code.may_install) if code else ""
    if not (why and isolation):
        return []
    return [
        Finding(
            code="script-needs-network",
            where="enable_network_isolation",
            message=f"It is on, but {why}",
            fix="leave it out, or give a script that needs no requirements.txt.",
        )
    ]


def contract_of(job: ICompilationJob | None, archive: ServingArchive | None) -> ServingContract:
    """Return the contract of the container: the job's, the archive's, or PyTorch's by default."""
    if job:
        return ServingContract.of(job.framework, job.target)
    return archive.contract if archive else ServingContract.TOOLKIT


def _or_default(chosen: bool | None, default: bool) -> bool:
    return default if chosen is None else chosen


def _check(
    job: ICompilationJob | None,
    url: str | None,
    code: InferenceCode | None,
    image: InferenceImage | None,
) -> list[Finding]:
    found = []
    if (job is None) == (url is None):
        given = "both" if job else "neither"
        found.append(
            Finding(
                code="model-source",
                where="compilation_job, model_data_url",
                message=f"Exactly one of the two makes a model; {given} is given.",
                fix="give compilation_job to serve what it compiles.",
            )
        )
    if url is not None and image is None:
        found.append(
            Finding(
                code="model-image-missing",
                where="image",
                message="An artifact of your own does not say which image serves it.",
                fix="give image=InferenceImage.for_target(framework, target).",
            )
        )
    if url is not None and code is not None:
        found.append(
            Finding(
                code="script-without-job",
                where="inference_code",
                message="A script is added to what a compilation job made; none is given.",
                fix="put the script into the archive that model_data_url names.",
            )
        )
    if job and code is None and contract_of(job, None).needs_script:
        found.append(
            Finding(
                code="script-needed",
                where="inference_code",
                message=f"The container for {job.framework} has no handler of its own.",
                fix="give a script with neo_preprocess and neo_postprocess.",
            )
        )
    return found


def _pull_not_granted(image: InferenceImage | None, uri: str) -> Finding:
    if image is None:
        where = "the image the job reports"
    else:
        where = "an image known only at deploy" if Token.is_unresolved(uri) else repr(uri)
    return Finding(
        code="pull-not-granted",
        level=Level.WARNING,
        where="image",
        message=f"The model's role gets no right to pull {where}: its repository is not known.",
        fix="give a role that may pull it, or an image with an ECR URI.",
    )


def _check_place(
    scope: Construct,
    url: str | None,
    bucket: s3.IBucket | None,
    role: iam.IRole | None,
) -> list[Finding]:
    """Say what would keep the container from reading its artifact."""
    given = ServingArchive.of_url(url)
    if given and Stack.of(given).node.addr != Stack.of(scope).node.addr:
        return [
            Finding(
                code="model-other-stack",
                where="model_data_url",
                message=(
                    f"{given.node.path} is in the stack {Stack.of(given).stack_name!r}; what it "
                    "writes is readable in its own stack only."
                ),
                fix=f"put the model into the stack of {given.node.path}.",
            )
        ]
    if url is None or role or given:
        return []
    if bucket is None:
        return [
            Finding(
                code="artifact-bucket-missing",
                where="artifact_bucket",
                message="The model's role can be given no right to read model_data_url.",
                fix="give the bucket it lies in, or a role that may read it.",
            )
        ]
    named, key = split_url(url)
    found = check_key(key, "model_data_url") if key else []
    if Token.is_unresolved(url) or Token.is_unresolved(bucket.bucket_name):
        return found
    if named == bucket.bucket_name:
        return found
    return [
        Finding(
            code="artifact-bucket-other",
            where="artifact_bucket",
            message=f"{url!r} does not lie in the bucket {bucket.bucket_name!r}.",
            fix="give the bucket that model_data_url names, as s3://bucket/key.",
        )
    ]
