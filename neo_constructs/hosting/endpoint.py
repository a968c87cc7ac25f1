"""The endpoint that answers requests."""

from __future__ import annotations

from typing import Final

import jsii
from aws_cdk import Fn, IStableAnyProducer, Lazy, Resource, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.catalog.names import RESOURCE_NAME
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.endpoint_variant import EndpointVariant
from neo_constructs.hosting.interfaces import IEndpointConfig
from neo_constructs.hosting.scaling import ScalableInstanceCount
from neo_constructs.hosting.variants import ALL_TRAFFIC
from neo_constructs.typed import typed


class Endpoint(Resource):
    """A SageMaker endpoint. A new configuration moves it; it is not replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    endpoint_config
        What it serves.
    endpoint_name
        Default: CloudFormation makes one. A name of your own is stable for clients.

    Attributes
    ----------
    endpoint_name, endpoint_arn
        Known at deploy.

    Raises
    ------
    ValidationError
        If the name is not one that SageMaker takes.

    Examples
    --------
    >>> endpoint.grant_invoke(function)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_config: IEndpointConfig,
        endpoint_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_errors(check_name(endpoint_name), subject=self.node.path)
        self._resource = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_config_name=endpoint_config.endpoint_config_name,
            endpoint_name=endpoint_name,
            # What scaling has made of a variant outlives an update.
            retain_all_variant_properties=Lazy.any(_ScaledVariants(self)),
        )
        self.endpoint_name: Final[str] = self._resource.attr_endpoint_name
        # Not put together from the name: SageMaker lowercases names in ARNs.
        self.endpoint_arn: Final[str] = self._resource.ref

    @typed
    def variant(self, variant_name: str = ALL_TRAFFIC) -> EndpointVariant:
        """Return a variant by its name, for its metrics.

        Parameters
        ----------
        variant_name
            Default: ``AllTraffic``.
        """
        return EndpointVariant(self, variant_name)

    @staticmethod
    @typed
    def from_endpoint_name(
        scope: Construct, construct_id: str, endpoint_name: str
    ) -> ImportedEndpoint:
        """Return an endpoint that is there already, in the region and account of the stack."""
        return ImportedEndpoint(scope, construct_id, endpoint_name=endpoint_name)

    @staticmethod
    @typed
    def from_endpoint_arn(
        scope: Construct, construct_id: str, endpoint_arn: str
    ) -> ImportedEndpoint:
        """Return an endpoint that is there already.

        SageMaker lowercases names in ARNs: of one with capitals, use ``from_endpoint_name``.
        """
        name = Fn.select(1, Fn.split("/", endpoint_arn))
        return ImportedEndpoint(scope, construct_id, endpoint_name=name, endpoint_arn=endpoint_arn)

    @typed
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests to the endpoint."""
        return grant_invoke(self.endpoint_arn, grantee)


@jsii.implements(IStableAnyProducer)
class _ScaledVariants:
    """Whether variants of an endpoint scale, once all that is said of it is there."""

    def __init__(self, endpoint: Construct) -> None:
        self._endpoint = endpoint

    def produce(self) -> bool | None:
        children = self._endpoint.node.children
        return any(isinstance(child, ScalableInstanceCount) for child in children) or None


class ImportedEndpoint(Resource):
    """An endpoint that is there already; see ``Endpoint.from_endpoint_name``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        endpoint_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name: Final = endpoint_name
        # SageMaker lowercases names in ARNs; one that is known only at deploy is taken as it is.
        name = endpoint_name if Token.is_unresolved(endpoint_name) else endpoint_name.lower()
        self.endpoint_arn: Final = endpoint_arn or Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=name
        )

    @typed
    def variant(self, variant_name: str = ALL_TRAFFIC) -> EndpointVariant:
        """Return a variant by its name, for its metrics."""
        return EndpointVariant(self, variant_name)

    @typed
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests to the endpoint."""
        return grant_invoke(self.endpoint_arn, grantee)


def grant_invoke(endpoint_arn: str, grantee: iam.IGrantable) -> iam.Grant:
    """Let a grantee send requests to an endpoint."""
    return iam.Grant.add_to_principal(
        grantee=grantee, actions=["sagemaker:InvokeEndpoint"], resource_arns=[endpoint_arn]
    )


def check_name(name: str | None) -> list[Finding]:
    """Say whether SageMaker takes a name for an endpoint. Source: botocore, EndpointName."""
    if name is None or Token.is_unresolved(name) or RESOURCE_NAME.fullmatch(name):
        return []
    return [
        Finding(
            code="endpoint-name",
            where="endpoint_name",
            message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix="leave it out to let CloudFormation make one.",
        )
    ]
