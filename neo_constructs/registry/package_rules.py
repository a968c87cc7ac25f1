"""What is wrong with a version of a model, before it is registered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from constructs import Construct

from neo_constructs.catalog.target import check_instance_type_name
from neo_constructs.compilation.imported_job import check_environments
from neo_constructs.compilation.places import elsewhere
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.hosting.container import ContainerDefinition
from neo_constructs.hosting.model_rules import check_container
from neo_constructs.registry.model_package_group import IModelPackageGroup
from neo_constructs.registry.sample_payload import SamplePayload

APPROVAL_STATUSES: Final = ("Approved", "Rejected", "PendingManualApproval")  # botocore
# botocore on CreateModelPackage.Task; the developer guide's prerequisites of Inference Recommender
# have the domains.
TASKS: Final = (
    "IMAGE_CLASSIFICATION",
    "OBJECT_DETECTION",
    "TEXT_GENERATION",
    "IMAGE_SEGMENTATION",
    "FILL_MASK",
    "CLASSIFICATION",
    "REGRESSION",
    "OTHER",
)
DOMAINS: Final = ("COMPUTER_VISION", "NATURAL_LANGUAGE_PROCESSING", "MACHINE_LEARNING")
MAX_INPUT_CONFIG: Final = 1024  # botocore, RecommendationJobDataInputConfig
_MAX_METADATA: Final = 50  # botocore, CustomerMetadataMap
_VERSION: Final = re.compile(r"[0-9]\.[A-Za-z0-9.-]+")  # botocore, ModelPackageFrameworkVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """All that a version is given, as far as there are rules for it."""

    container: ContainerDefinition
    group: IModelPackageGroup
    domain: str | None
    task: str | None
    framework_version: str | None
    sample_payload: SamplePayload | None
    data_input_config: str | None
    instance_types: Sequence[str] | None
    approval_status: str
    metadata: Mapping[str, str]

    def check(self, scope: Construct) -> list[Finding]:
        """Say what SageMaker would not take, from the stack of a construct."""
        job = self.container.compilation_job
        return [
            *check_container(self.container),
            *(check_environments(scope, job) if job else ()),
            *_check_word("domain", self.domain, DOMAINS),
            *_check_word("task", self.task, TASKS),
            *_check_word("model_approval_status", self.approval_status, APPROVAL_STATUSES),
            *self._check_group(scope),
            *self._check_texts(),
            *self._check_types(),
            *(self.sample_payload.check() if self.sample_payload else ()),
        ]

    def _check_group(self, scope: Construct) -> Iterator[Finding]:
        region, _ = elsewhere(scope, self.group.env.region, self.group.env.account)
        if region:
            yield Finding(
                code="package-group-region",
                where="model_package_group",
                message=f"The group is in {region!r}; a version is registered in its own region.",
                fix="give a group of the stack's region.",
            )

    def _check_texts(self) -> Iterator[Finding]:
        version, inputs = self.framework_version, self.data_input_config
        if version and not is_unresolved(version) and not _VERSION.fullmatch(version):
            yield Finding(
                code="framework-version-form",
                where="framework_version",
                message=f"{version!r} is given. Allowed: a form such as 2.0.1.",
                fix="give the version without a name before it.",
            )
        if inputs and not is_unresolved(inputs) and len(inputs) > MAX_INPUT_CONFIG:
            yield Finding(
                code="data-input-config-length",
                where="data_input_config",
                message=f"It has {len(inputs):,} characters. Allowed: {MAX_INPUT_CONFIG:,}.",
                fix="leave it out: Inference Recommender then does not compile by itself.",
            )
        if len(self.metadata) > _MAX_METADATA:
            yield Finding(
                code="package-metadata",
                where="customer_metadata_properties",
                message=f"{len(self.metadata)} are given. Allowed: up to {_MAX_METADATA}.",
                fix="leave some out.",
            )

    def _check_types(self) -> Iterator[Finding]:
        job = self.container.compilation_job
        where = "supported_realtime_inference_instance_types"
        for each in self.instance_types or ():
            if is_unresolved(each):
                continue
            if job:
                yield from job.target.check_instance_type(each, where=where)
            else:
                yield from check_instance_type_name(each, where=where)


def _check_word(where: str, word: str | None, allowed: Sequence[str]) -> Iterator[Finding]:
    if word is None or is_unresolved(word) or word in allowed:
        return
    yield Finding(
        code="package-word",
        where=where,
        message=f"{word!r} is given. Allowed: {listed(allowed)}.",
        fix=suggestion(word, allowed) or "take one of these.",
    )
