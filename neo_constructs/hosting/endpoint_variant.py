"""One variant of an endpoint, as what watches and scales it sees it: its metrics."""

from __future__ import annotations

from typing import Final, cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.interfaces import IEndpoint
from neo_constructs.hosting.scaling import (
    ScalableInstanceCount,
    ScalableProvisionedConcurrency,
)
from neo_constructs.typed import typed

# SageMaker developer guide, page Metrics for monitoring with Amazon CloudWatch.
INVOCATIONS: Final = "AWS/SageMaker"
INSTANCES: Final = "/aws/sagemaker/Endpoints"


class EndpointVariant:
    """A variant of an endpoint by its name; see ``Endpoint.variant``.

    Each metric takes ``statistic`` and ``period``, by default the statistic that fits it and five
    minutes, as the CDK's own metric methods have it.

    Parameters
    ----------
    endpoint
        The endpoint.
    variant_name
        The variant's.

    Attributes
    ----------
    endpoint, endpoint_name, variant_name
        As given.

    Examples
    --------
    >>> endpoint.variant().metric_model_latency(statistic="p99")  # doctest: +SKIP
    """

    @typed
    def __init__(self, endpoint: IEndpoint, variant_name: str) -> None:
        self.endpoint: Final = endpoint
        self.endpoint_name: Final = endpoint.endpoint_name
        self.variant_name: Final = variant_name

    @typed
    def auto_scale_instance_count(
        self, *, max_capacity: int, min_capacity: int = 1
    ) -> ScalableInstanceCount:
        """Let the number of instances change; what it is then stays through updates.

        Parameters
        ----------
        max_capacity
            How many instances at most.
        min_capacity
            How many at least; 0 for an asynchronous endpoint only. Default: 1.

        Raises
        ------
        ValidationError
            If the numbers are not ones that SageMaker takes.
        """
        self._refuse_second("InstanceCount")
        return ScalableInstanceCount(
            # Interfaces do not say that whoever implements them can hold others.
            cast(Construct, self.endpoint),
            f"{self.variant_name}InstanceCount",
            variant=self,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
        )

    @typed
    def auto_scale_provisioned_concurrency(
        self, *, max_capacity: int, min_capacity: int = 1
    ) -> ScalableProvisionedConcurrency:
        """Let a serverless variant's provisioned concurrency change.

        Parameters
        ----------
        max_capacity
            How much at most, up to the variant's ``max_concurrency``.
        min_capacity
            How much at least. Default: 1.

        Raises
        ------
        ValidationError
            If the numbers are not ones that SageMaker takes.
        """
        self._refuse_second("ProvisionedConcurrency")
        return ScalableProvisionedConcurrency(
            cast(Construct, self.endpoint),
            f"{self.variant_name}ProvisionedConcurrency",
            variant=self,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
        )

    @typed
    def metric(
        self,
        metric_name: str,
        *,
        namespace: str = INVOCATIONS,
        statistic: str = "Average",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """Return any metric of the variant.

        Parameters
        ----------
        metric_name
            As CloudWatch has it, such as ``Invocations``.
        namespace
            Default: ``AWS/SageMaker``; what instances report is in ``/aws/sagemaker/Endpoints``.
        statistic
            Such as ``Sum`` or ``p99``. Default: ``Average``.
        period
            Default: 5 minutes.
        """
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=metric_name,
            dimensions_map={
                "EndpointName": self.endpoint.metric_endpoint_name,
                "VariantName": self.variant_name,
            },
            statistic=statistic,
            period=period or Duration.minutes(5),
        )

    @typed
    def metric_invocations(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the number of requests."""
        return self.metric("Invocations", statistic=statistic, period=period)

    @typed
    def metric_invocations_per_instance(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the number of requests to each instance; it is what scaling goes by."""
        return self.metric("InvocationsPerInstance", statistic=statistic, period=period)

    @typed
    def metric_invocation_4xx_errors(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the number of requests that were refused."""
        return self.metric("Invocation4XXErrors", statistic=statistic, period=period)

    @typed
    def metric_invocation_5xx_errors(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the number of requests that failed."""
        return self.metric("Invocation5XXErrors", statistic=statistic, period=period)

    @typed
    def metric_invocation_model_errors(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the number of requests that the container answered with an error."""
        return self.metric("InvocationModelErrors", statistic=statistic, period=period)

    @typed
    def metric_model_latency(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return how long the container takes for an answer, in microseconds."""
        return self.metric("ModelLatency", statistic=statistic, period=period)

    @typed
    def metric_overhead_latency(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return how long SageMaker takes around the container, in microseconds."""
        return self.metric("OverheadLatency", statistic=statistic, period=period)

    @typed
    def metric_cpu_utilization(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the processors' load in percent: 400 is the whole of four."""
        return self._of_instances("CPUUtilization", statistic, period)

    @typed
    def metric_memory_utilization(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the memory in use, in percent."""
        return self._of_instances("MemoryUtilization", statistic, period)

    @typed
    def metric_disk_utilization(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the disk in use, in percent."""
        return self._of_instances("DiskUtilization", statistic, period)

    @typed
    def metric_gpu_utilization(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the GPUs' load in percent: 400 is the whole of four."""
        return self._of_instances("GPUUtilization", statistic, period)

    @typed
    def metric_gpu_memory_utilization(
        self, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return the GPUs' memory in use, in percent."""
        return self._of_instances("GPUMemoryUtilization", statistic, period)

    @typed
    def endpoint_metric(
        self, metric_name: str, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of the endpoint as a whole; see ``Endpoint.metric``."""
        return metric_of(self.endpoint, metric_name, statistic, period)

    def _refuse_second(self, what: str) -> None:
        """Refuse a second scalable target of a variant: there is one for each."""
        if self.endpoint.node.try_find_child(f"{self.variant_name}{what}") is None:
            return
        finding = Finding(
            code="scaling-twice",
            where=f"variant {self.variant_name!r}",
            message="It scales already.",
            fix="call the methods of what the first call returned.",
        )
        raise ValidationError([finding], subject=self.endpoint.node.path)

    def _of_instances(
        self, metric_name: str, statistic: str, period: Duration | None
    ) -> cloudwatch.Metric:
        return self.metric(metric_name, namespace=INSTANCES, statistic=statistic, period=period)


def metric_of(
    endpoint: IEndpoint, metric_name: str, statistic: str, period: Duration | None
) -> cloudwatch.Metric:
    """Return a metric of an endpoint as a whole."""
    return cloudwatch.Metric(
        namespace=INVOCATIONS,
        metric_name=metric_name,
        # Rests on A-HOST-10.
        dimensions_map={"EndpointName": endpoint.metric_endpoint_name},
        statistic=statistic,
        period=period or Duration.minutes(5),
    )
