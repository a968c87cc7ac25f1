"""What is wrong with the arguments of a model, together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Final

from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.catalog.names import RESOURCE_NAME, VARIABLE
from neo_constructs.compilation.imported_job import check_environments
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.model_data import check_key
from neo_constructs.compilation.places import check_artifact_bucket
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.artifact_url import split_url
from neo_constructs.hosting.container import MULTI_MODEL, SINGLE_MODEL, ContainerDefinition
from neo_constructs.hosting.serving_archive import ServingArchive
from neo_constructs.plans.endpoint_plan import check_needed

SERIAL: Final = "Serial"
_DIRECT: Final = "Direct"
_MODES: Final = (SERIAL, _DIRECT)  # botocore, InferenceExecutionMode
MAX_CONTAINERS: Final = 15  # botocore, ContainerDefinitionList


def check_model(
    scope: Construct,
    alone: ContainerDefinition,
    containers: Sequence[ContainerDefinition],
    *,
    mode: str,
    role: iam.IRole | None,
    isolation: bool | None,
) -> list[Finding]:
    """Say what is wrong with all that a model is given.

    Parameters
    ----------
    scope
        The model.
    alone
        The one container that its own arguments describe.
    containers
        Several, in place of it.
    mode, role, isolation
        As given.
    """
    several = bool(containers)
    found = [*_check_mode(mode, is_used=several)]
    if several:
        found += _check_several(alone, containers, mode)
    for number, asked in enumerate(containers or [alone]):
        where = f"containers[{number}]." if several else ""
        own = [
            *check_container(asked),
            *(check_environments(scope, asked.compilation_job) if asked.compilation_job else ()),
            *_check_place(scope, asked, role),
            *_check_network(asked, isolation),
            *(check_artifact_bucket(scope, asked.artifact_bucket) if asked.artifact_bucket else ()),
            *_check_names(asked),
        ]
        found += [replace(finding, where=where + finding.where) for finding in own]
    return found


def _check_several(
    alone: ContainerDefinition, containers: Sequence[ContainerDefinition], mode: str
) -> Iterator[Finding]:
    """Say what is wrong with several containers together."""
    beside = [
        field.name
        for field in fields(ContainerDefinition)
        if getattr(alone, field.name) != field.default
    ]
    if beside:
        yield Finding(
            code="model-source",
            where=", ".join(beside),
            message="It is given beside containers, which say it themselves.",
            fix="give it to one of the containers.",
        )
    if len(containers) > MAX_CONTAINERS:
        yield Finding(
            code="container-count",
            where="containers",
            message=f"{len(containers)} are given. Allowed: 1 to {MAX_CONTAINERS}.",
            fix="make a model of fewer containers.",
        )
    targets = {each.compilation_job.target for each in containers if each.compilation_job}
    if len(targets) > 1:
        yield Finding(
            code="container-targets",
            where="containers",
            message=f"They are compiled for {listed(sorted(repr(t.name) for t in targets))}, and "
            "all run on the same instances.",
            fix="compile them for one target.",
        )
    names = [each.container_hostname for each in containers if each.container_hostname]
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    if twice or (mode == _DIRECT and len(names) < len(containers)):
        yield Finding(
            code="container-hostname",
            where="containers",
            message=f"Several have the hostname {listed(twice)}."
            if twice
            else "A request names the container that is to answer, and one has no hostname.",
            fix="give each a container_hostname of its own.",
        )


def _check_mode(mode: str, *, is_used: bool) -> Iterator[Finding]:
    if mode not in _MODES:
        yield Finding(
            code="execution-mode",
            where="inference_execution_mode",
            message=f"{mode!r} is given. Allowed: {listed(_MODES)}.",
            fix="leave it out for a pipeline.",
        )
    elif mode != SERIAL and not is_used:
        yield Finding(
            code="execution-mode",
            where="inference_execution_mode",
            message=f"{mode!r} is given for a model of one container.",
            fix="leave it out, or give containers.",
        )


def _check_names(asked: ContainerDefinition) -> Iterator[Finding]:
    """Say if a hostname or a variable has a name that the API does not take."""
    hostname = asked.container_hostname
    if hostname and not is_unresolved(hostname) and not RESOURCE_NAME.fullmatch(hostname):
        yield Finding(
            code="container-hostname",
            where="container_hostname",
            message=f"{hostname!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix="choose another name.",
        )
    wrong = [key for key in asked.environment or () if not VARIABLE.fullmatch(key)]
    if wrong:
        yield Finding(
            code="container-environment",
            where="environment",
            message=f"{listed(map(repr, wrong))} is given. Allowed: letters, digits and "
            "underscores, no digit first.",
            fix="choose other names.",
        )


def _check_network(asked: ContainerDefinition, isolation: bool | None) -> list[Finding]:
    """Say whether a container that must reach out as it starts is cut off."""
    # Rests on A-NEO-04.
    if not (asked.needs_network and isolation):
        return []
    return [
        Finding(
            code="script-needs-network",
            where="enable_network_isolation",
            message=f"It is on, but {asked.needs_network}",
            fix="leave it out, or give a script that needs no requirements.txt.",
        )
    ]


def check_container(asked: ContainerDefinition) -> list[Finding]:
    """Say if job, artifact, package, script and image do not make a container together."""
    found = []
    job, url = asked.compilation_job, asked.model_data_url
    if asked.model_package:
        return _check_package(asked)
    if (job and url is not None) or (job is None and url is None and asked.image is None):
        given = "both" if job else "neither"
        found.append(
            Finding(
                code="model-source",
                where="compilation_job, model_data_url",
                message=f"Exactly one of the two makes a model, or an image alone; {given} is "
                "given.",
                fix="give compilation_job to serve what it compiles.",
            )
        )
    if url is not None and asked.image is None:
        found.append(
            Finding(
                code="model-image-missing",
                where="image",
                message="An artifact of your own does not say which image serves it.",
                fix="give image=InferenceImage.for_target(framework, target).",
            )
        )
    if job is None and asked.inference_code is not None:
        found.append(
            Finding(
                code="script-without-job",
                where="inference_code",
                message="A script is added to what a compilation job made; none is given.",
                fix="put the script into the archive that model_data_url names.",
            )
        )
    if job and asked.inference_code is None:
        found += check_needed(asked.contract, str(job.framework))
    return [*found, *_check_form(asked)]


def _check_package(asked: ContainerDefinition) -> list[Finding]:
    """Say what is given beside a package, which says it itself."""
    alone = ("model_package", "environment", "container_hostname")
    beside = [
        each.name
        for each in fields(ContainerDefinition)
        if each.name not in alone and getattr(asked, each.name) != each.default
    ]
    if not beside:
        return []
    return [
        Finding(
            code="model-source",
            where=", ".join(beside),
            message="It is given beside model_package, which says it itself.",
            fix="leave it out, or register another version.",
        )
    ]


def _check_form(asked: ContainerDefinition) -> list[Finding]:
    """Say if an artifact's URL is not of the form that its kind has."""
    url = asked.model_data_url
    if asked.mode not in (SINGLE_MODEL, MULTI_MODEL):
        return [
            Finding(
                code="execution-mode",
                where="mode",
                message=f"{asked.mode!r} is given. Allowed: {SINGLE_MODEL}, {MULTI_MODEL}.",
                fix="leave it out for one model.",
            )
        ]
    if asked.mode == MULTI_MODEL and asked.uncompressed_model_data:
        return [
            Finding(
                code="model-data-prefix",
                where="uncompressed_model_data",
                message="A container of several models serves archives, which are packed.",
                fix="leave out uncompressed_model_data.",
            )
        ]
    if not asked.has_prefix or is_unresolved(url):
        return []
    if url and url.startswith("s3://") and url.endswith("/"):
        return []
    return [
        Finding(
            code="model-data-prefix",
            where="model_data_url",
            message=f"{url!r} is given for all that lies below it. Allowed: s3://bucket/folder/ "
            "with the slash at its end.",
            fix="name the folder, or leave out uncompressed_model_data and mode for a .tar.gz.",
        )
    ]


def pull_not_granted(image: InferenceImage | None, uri: str) -> Finding:
    """Say that the model's role gets no right to pull an image."""
    if image is None:
        where = "the image the job reports"
    else:
        where = "an image known only at deploy" if is_unresolved(uri) else repr(uri)
    return Finding(
        code="pull-not-granted",
        level=Level.WARNING,
        where="image",
        message=f"The model's role gets no right to pull {where}: its repository is not known.",
        fix="give a role that may pull it, or an image with an ECR URI.",
    )


def _check_place(
    scope: Construct, asked: ContainerDefinition, role: iam.IRole | None
) -> list[Finding]:
    """Say what would keep the container from reading its artifact."""
    url, bucket = asked.model_data_url, asked.artifact_bucket
    given = ServingArchive.of_url(url)
    if given and stack_of(given).node.addr != stack_of(scope).node.addr:
        return [
            Finding(
                code="model-other-stack",
                where="model_data_url",
                message=(
                    f"{given.node.path} is in the stack {stack_of(given).stack_name!r}; what it "
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
    if is_unresolved(url) or is_unresolved(bucket.bucket_name):
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
