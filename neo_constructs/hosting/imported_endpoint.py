"""An endpoint that is there already, and the right to send it requests."""

from __future__ import annotations

from typing import Final

from aws_cdk import (
    Duration,
    Resource,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.hosting.arns import arn_of
from neo_constructs.hosting.endpoint_variant import EndpointVariant, metric_of
from neo_constructs.hosting.variants import ALL_TRAFFIC
from neo_constructs.typed import typed


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
        self.endpoint_arn: Final = endpoint_arn or arn_of(self, "endpoint", endpoint_name)

    @property
    def metric_endpoint_name(self) -> str:
        """The name as metrics bear it."""
        return self.endpoint_name

    @property
    def variants(self) -> None:
        """What answers requests is not known."""
        return

    @typed
    def variant(self, variant_name: str = ALL_TRAFFIC) -> EndpointVariant:
        """Return a variant by its name, for its metrics."""
        return EndpointVariant(self, variant_name)

    @typed
    def metric(
        self, metric_name: str, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of the endpoint as a whole; see ``Endpoint.metric``."""
        return metric_of(self, metric_name, statistic, period)

    @typed
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests that are answered at once."""
        return grant_invoke(self.endpoint_arn, grantee, is_async=False)

    @typed
    def grant_invoke_async(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests that are answered later."""
        return grant_invoke(self.endpoint_arn, grantee, is_async=True)


def grant_invoke(endpoint_arn: str, grantee: iam.IGrantable, *, is_async: bool) -> iam.Grant:
    """Let a grantee send requests to an endpoint, to be answered at once or later."""
    action = "sagemaker:InvokeEndpointAsync" if is_async else "sagemaker:InvokeEndpoint"
    return iam.Grant.add_to_principal(
        grantee=grantee, actions=[action], resource_arns=[endpoint_arn]
    )
