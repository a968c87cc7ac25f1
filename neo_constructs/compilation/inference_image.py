"""The container image that serves a compiled model, as a value that binds to a stack."""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aws_cdk import CfnMapping, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from neo_constructs.catalog import images
from neo_constructs.catalog.compilation_request import image_or_none
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.places import check_image
from neo_constructs.engine.asked_once import asked, pseudo, region_of, remembered, stack_of
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.typed import typed

_MAPPING_ID: Final = "NeoImageAccounts"
_AT_DEPLOY = r"\$\{Token\[[^\]]+\]\}"
# Account and region may be known only at deploy.
_ECR_URI = re.compile(
    rf"(?P<account>[0-9]{{12}}|{_AT_DEPLOY})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+|{_AT_DEPLOY})\."
    rf"([a-z.]+|{_AT_DEPLOY})/(?P<repository>[^:@]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLocation:
    """An image once it is bound.

    Parameters
    ----------
    uri
        What ``AWS::SageMaker::Model`` takes.
    repository_arns
        What the model's role must be able to pull from; empty if that cannot be known.
    """

    uri: str
    repository_arns: tuple[str, ...]


class InferenceImage(ABC):
    """The image that serves a compiled model.

    Examples
    --------
    >>> image = InferenceImage.for_target(Framework.pytorch("2.0"), TargetDevice.ML_C5)
    """

    @staticmethod
    @typed
    def for_target(framework: Framework, target: TargetDevice) -> InferenceImage:
        """Return Neo's own image for a framework and a target.

        Raises
        ------
        ValidationError
            If no image is known for the combination.
        """
        return _FromTable(images.find_image(framework, target))

    @staticmethod
    def image_classification() -> InferenceImage:
        """Return Neo's image for SageMaker's built-in image classification algorithm."""
        return _FromTable(images.image_classification())

    @staticmethod
    @typed
    def deep_learning_container(
        framework: str, version: str, *, processor: str = "cpu", python: str | None = None
    ) -> InferenceImage:
        """Return a plain inference image, for a model that is served uncompiled.

        The parameters are those of ``catalog.images.deep_learning_container``.

        Raises
        ------
        ValidationError
            If there is no such image.
        """
        return _FromTable(
            images.deep_learning_container(framework, version, processor=processor, python=python)
        )

    @staticmethod
    @typed
    def from_ecr_repository(repository: ecr.IRepository, tag: str = "latest") -> InferenceImage:
        """Return an image of your own."""
        return _FromRepository(repository, tag)

    @staticmethod
    @typed
    def from_asset(
        directory: str | os.PathLike[str],
        *,
        file: str = "Dockerfile",
        build_args: Mapping[str, str] | None = None,
        platform: ecr_assets.Platform | None = None,
    ) -> InferenceImage:
        """Return an image that is built from a Dockerfile by ``cdk deploy``, which needs Docker.

        Parameters
        ----------
        directory
            What the Dockerfile may copy from.
        file
            The Dockerfile in it. Default: ``Dockerfile``.
        build_args
            Values of its ``ARG`` lines. Default: none.
        platform
            Default: ``ecr_assets.Platform.LINUX_AMD64``, which all but Graviton instances have.

        Raises
        ------
        ValidationError
            If there is no such Dockerfile.
        """
        folder = Path(directory)
        raise_errors(_check_dockerfile(folder, file), subject="InferenceImage.from_asset")
        return _FromAsset(
            folder, file, dict(build_args or {}), platform or ecr_assets.Platform.LINUX_AMD64
        )

    @staticmethod
    @typed
    def from_uri(uri: str) -> InferenceImage:
        """Return any image by URI.

        The model's role gets the right to pull it where the URI names an ECR repository.
        """
        return _FromUri(uri)

    @property
    def is_x86(self) -> bool:
        """Whether the image is known to be for x86 processors only."""
        return False

    @abstractmethod
    def bind(self, scope: Construct) -> ImageLocation:
        """Return the image for the region of the stack ``scope`` is in."""


@dataclass(frozen=True)
class _FromTable(InferenceImage):
    image: images.Image

    @property
    def is_x86(self) -> bool:
        # Rests on A-HOST-02.
        return True

    def bind(self, scope: Construct) -> ImageLocation:
        region = region_of(scope)
        if not is_unresolved(region):
            self.image.uri(region)  # raises where the region has none
        account = _account(scope, self.image.accounts)
        if is_unresolved(region):
            registry = f"{account}.dkr.ecr.{pseudo('REGION')}.{pseudo('URL_SUFFIX')}"
            uri = f"{registry}/{self.image.repository}:{self.image.tag}"
        else:
            uri = self.image.uri(region)
        return ImageLocation(
            uri=uri, repository_arns=(_repository_arn(scope, account, self.image.repository),)
        )


@dataclass(frozen=True)
class _FromRepository(InferenceImage):
    repository: ecr.IRepository
    tag: str

    def bind(self, scope: Construct) -> ImageLocation:
        del scope
        return ImageLocation(
            uri=self.repository.repository_uri_for_tag(self.tag),
            repository_arns=(self.repository.repository_arn,),
        )


@dataclass(frozen=True)
class _FromAsset(InferenceImage):
    directory: Path
    file: str
    build_args: Mapping[str, str]
    platform: ecr_assets.Platform

    @property
    def is_x86(self) -> bool:
        return self.platform.platform == ecr_assets.Platform.LINUX_AMD64.platform

    def bind(self, scope: Construct) -> ImageLocation:
        image = ecr_assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(self.directory),
            file=self.file,
            build_args=self.build_args,
            platform=self.platform,
        )
        return ImageLocation(
            uri=image.image_uri, repository_arns=(image.repository.repository_arn,)
        )


def _check_dockerfile(directory: Path, file: str) -> list[Finding]:
    path = directory / file
    if path.is_file():
        return []
    return [
        Finding(
            code="dockerfile-missing",
            where="directory, file",
            message=f"There is no {str(path)!r}.",
            fix="name the folder of the Dockerfile, and the Dockerfile by file if it has "
            "another name.",
        )
    ]


@dataclass(frozen=True)
class _FromUri(InferenceImage):
    uri: str

    def bind(self, scope: Construct) -> ImageLocation:
        match = _ECR_URI.match(self.uri)
        if match is None:
            return ImageLocation(uri=self.uri, repository_arns=())
        raise_errors(check_image(scope, match["region"]))
        partition = asked(stack_of(scope), "partition")
        place = f"{match['region']}:{match['account']}:repository/{match['repository']}"
        arn = f"arn:{partition}:ecr:{place}"
        return ImageLocation(uri=self.uri, repository_arns=(arn,))


def neo_repositories(
    scope: Construct, framework: Framework, target: TargetDevice
) -> tuple[str, ...]:
    """Return the repositories of the account that owns Neo's images in a stack's region.

    A finished job names its image itself; it is one of these. Empty where the account cannot be
    known: in a region that only ``.of`` lets through.
    """
    image, region = image_or_none(framework, target), region_of(scope)
    accounts = image.accounts if image else images.registries()
    if not is_unresolved(region) and region not in accounts:
        return ()
    return (_repository_arn(scope, _account(scope, accounts), "*"),)


def pull_statements(repository_arns: tuple[str, ...]) -> list[Statement]:
    """Return the rights to pull from repositories."""
    if not repository_arns:
        return []
    return [
        allow(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resources=list(repository_arns),
        ),
        # The token is the account's; the API has no resource level.
        allow(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
    ]


def _account(scope: Construct, accounts: Mapping[str, str]) -> str:
    """Return the registry account: literal where the region is known, else from a mapping."""
    stack, region = stack_of(scope), region_of(scope)
    if not is_unresolved(region):
        return accounts[region]
    key = ("account", *sorted(accounts.items()))
    return remembered(
        stack, key, lambda: _mapping(stack, accounts).find_in_map(pseudo("REGION"), "account")
    )


def _mapping(stack: Stack, accounts: Mapping[str, str]) -> CfnMapping:
    """Return the stack's mapping for a table of accounts; each table has one."""
    table = {region: {"account": owner} for region, owner in accounts.items()}
    digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:8]
    is_neo = accounts == images.registries()
    name = _MAPPING_ID if is_neo else f"{_MAPPING_ID}{digest}"
    found = stack.node.try_find_child(name)
    return found if isinstance(found, CfnMapping) else CfnMapping(stack, name, mapping=table)


def _repository_arn(scope: Construct, account: str, repository: str) -> str:
    partition = asked(stack_of(scope), "partition")
    return f"arn:{partition}:ecr:{region_of(scope)}:{account}:repository/{repository}"
