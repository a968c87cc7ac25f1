"""What is wrong with the arguments of a model, together."""

from __future__ import annotations

from aws_cdk import Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.compilation.model_data import check_key
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.artifact_url import split_url
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.serving_archive import ServingArchive
from neo_constructs.plans.endpoint_plan import check_needed
from neo_constructs.scripts.serving_contract import ServingContract


def contract_of(job: ICompilationJob | None, archive: ServingArchive | None) -> ServingContract:
    """Return the contract of the container: the job's, the archive's, or PyTorch's by default."""
    if job:
        return ServingContract.of(job.framework, job.target)
    return archive.contract if archive else ServingContract.TOOLKIT


def check_network(
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


def check_sources(
    job: ICompilationJob | None,
    url: str | None,
    code: InferenceCode | None,
    image: InferenceImage | None,
) -> list[Finding]:
    """Say if job, artifact, script and image do not make a model together."""
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
    if job and code is None:
        found += check_needed(contract_of(job, None), str(job.framework))
    return found


def pull_not_granted(image: InferenceImage | None, uri: str) -> Finding:
    """Say that the model's role gets no right to pull an image."""
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


def check_place(
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
