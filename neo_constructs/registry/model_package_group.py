"""A group of versions of a model in the registry."""

from __future__ import annotations

from typing import Final, Protocol

from aws_cdk import Fn, Names, RemovalPolicy, Resource
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.interfaces import ResourceEnvironment
from constructs import Construct, IConstruct

from neo_constructs.catalog.names import RESOURCE_NAME
from neo_constructs.engine.asked_once import pseudo
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.arns import arn_of
from neo_constructs.typed import typed

_LONGEST_NAME: Final = 63  # botocore, EntityName


class IModelPackageGroup(IConstruct, Protocol):
    """A SageMaker model package group, made here or imported."""

    @property
    def env(self) -> ResourceEnvironment:
        """The account and region it is in."""
        ...

    @property
    def model_package_group_name(self) -> str:
        """Its name."""
        ...

    @property
    def model_package_group_arn(self) -> str:
        """Its ARN."""
        ...


class ModelPackageGroup(Resource):
    """A SageMaker model package group: the versions of one model.

    Versions outlive the stack that registered them, and so does their group: SageMaker deletes none
    that has versions.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_package_group_name
        1 to 63 letters, digits and inner hyphens. The API needs one. Default: made of the
        construct's path and the stack's id: a stack that was deleted and is deployed again makes
        another group, as the former one is still there. Name it to have its versions go on.
    description
        Default: none.
    removal_policy
        ``DESTROY`` deletes the group with its stack, which fails as long as it has versions.
        Default: it is retained, but not where the first deploy fails.

    Attributes
    ----------
    model_package_group_name, model_package_group_arn
        The name as given, or made; one that is made, and the ARN, are known at deploy.

    Raises
    ------
    ValidationError
        If the name is not one that SageMaker takes.

    Examples
    --------
    >>> group = ModelPackageGroup(stack, "Versions")  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str | None = None,
        description: str | None = None,
        # Rests on A-REC-13.
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_errors(_check_name(model_package_group_name), subject=lambda: self.node.path)
        name = model_package_group_name or _made_name(self)
        self._resource = sagemaker.CfnModelPackageGroup(
            self,
            "Resource",
            model_package_group_name=name,
            model_package_group_description=description,
        )
        self._resource.apply_removal_policy(removal_policy)
        self.model_package_group_name: Final[str] = name
        self.model_package_group_arn: Final[str] = self._resource.ref

    @staticmethod
    @typed
    def from_model_package_group_name(
        scope: Construct, construct_id: str, model_package_group_name: str
    ) -> ImportedModelPackageGroup:
        """Return a group that is there already, in the region and account of the stack."""
        return ImportedModelPackageGroup(scope, construct_id, name=model_package_group_name)

    @staticmethod
    @typed
    def from_model_package_group_arn(
        scope: Construct, construct_id: str, model_package_group_arn: str
    ) -> ImportedModelPackageGroup:
        """Return a group that is there already, of this account or another."""
        name = Fn.select(1, Fn.split("/", model_package_group_arn))
        return ImportedModelPackageGroup(
            scope, construct_id, name=name, arn=model_package_group_arn
        )


class ImportedModelPackageGroup(Resource):
    """A group that is there already; see ``ModelPackageGroup.from_model_package_group_name``."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, arn: str | None = None
    ) -> None:
        # With an ARN, `env` is where that says.
        super().__init__(scope, construct_id, environment_from_arn=arn)
        self.model_package_group_name: Final = name
        self.model_package_group_arn: Final = arn or arn_of(self, "model-package-group", name)


def _made_name(scope: Construct) -> str:
    """Return a name of the construct's path, and of the first eight digits of the stack's id."""
    path = Names.unique_resource_name(scope, max_length=_LONGEST_NAME - 9, separator="-")
    uuid = Fn.select(2, Fn.split("/", pseudo("STACK_ID")))
    return f"{path}-{Fn.select(0, Fn.split('-', uuid))}"


def _check_name(name: str | None) -> list[Finding]:
    if name is None or is_unresolved(name) or RESOURCE_NAME.fullmatch(name):
        return []
    return [
        Finding(
            code="package-name",
            where="model_package_group_name",
            message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix="leave it out to take one made of the construct's path.",
        )
    ]
