"""A dashboard of an endpoint: requests, errors, latency, instances, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from neo_constructs.catalog.instance_types import has_gpu
from neo_constructs.compilation.compilation_job import CompilationJob
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.endpoint import Endpoint
from neo_constructs.hosting.endpoint_variant import EndpointVariant
from neo_constructs.hosting.variants import InstanceVariant, ServerlessVariant, Variant
from neo_constructs.typed import typed

_ELSEWHERE: Final = "of another stack"
_WIDTH: Final = 24
_HALF: Final = 12
_HEIGHT: Final = 6
_PERCENTILES: Final = ("p50", "p90", "p99")
_BACKLOG: Final = ("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance")


class EndpointDashboard(cloudwatch.Dashboard):
    """A CloudWatch dashboard of an endpoint made here.

    It shows, by variant: requests, 4xx and 5xx errors, the latency of the container and of
    SageMaker around it, the load of processors, memory, disk and GPUs, instances and requests to
    each; and in words which compilation job, image and target are behind each variant.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    endpoint
        What is shown; its variants are those it has when the dashboard is made.
    dashboard_name
        Default: CloudFormation makes one.
    period
        Default: 1 minute.

    Raises
    ------
    ValidationError
        If the endpoint's variants are not known: its configuration is imported, or still empty.

    Examples
    --------
    >>> EndpointDashboard(stack, "Dashboard", endpoint=endpoint)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: Endpoint,
        dashboard_name: str | None = None,
        period: Duration | None = None,
    ) -> None:
        super().__init__(scope, construct_id, dashboard_name=dashboard_name)
        variants = endpoint.variants or ()
        raise_errors(_check_known(variants), subject=lambda: self.node.path)
        every = period or Duration.minutes(1)
        self.add_widgets(
            cloudwatch.TextWidget(
                markdown=_in_words(self, endpoint, variants), width=_WIDTH, height=2 + len(variants)
            )
        )
        for variant in variants:
            shown = _Shown(endpoint.variant(variant.variant_name), variant, every)
            for row in shown.rows():
                self.add_widgets(*row)
        if endpoint.is_async:
            self.add_widgets(_backlog(endpoint, every))


class _Shown:
    """The graphs of one variant."""

    def __init__(self, metrics: EndpointVariant, variant: Variant, period: Duration) -> None:
        self._metrics = metrics
        self._variant = variant
        self._period = period

    def rows(self) -> list[list[cloudwatch.IWidget]]:
        """Return the rows of graphs."""
        rows = [[self._requests(), self._latency()]]
        if isinstance(self._variant, InstanceVariant):
            rows.append([self._load(), self._instances()])
        return rows

    def _requests(self) -> cloudwatch.IWidget:
        shown, every = self._metrics, self._period
        return self._graph(
            "requests and errors",
            [
                shown.metric_invocations(period=every),
                shown.metric_invocation_4xx_errors(period=every),
                shown.metric_invocation_5xx_errors(period=every),
            ],
            "Requests",
        )

    def _latency(self) -> cloudwatch.IWidget:
        shown, every = self._metrics, self._period
        return self._graph(
            "latency",
            [
                metric(statistic=each, period=every)
                for metric in (shown.metric_model_latency, shown.metric_overhead_latency)
                for each in _PERCENTILES
            ],
            "Microseconds",
        )

    def _load(self) -> cloudwatch.IWidget:
        shown, every = self._metrics, self._period
        load = [
            shown.metric_cpu_utilization,
            shown.metric_memory_utilization,
            shown.metric_disk_utilization,
        ]
        kind = self._variant.instance_type if isinstance(self._variant, InstanceVariant) else ""
        if is_unresolved(kind) or has_gpu(kind):
            load += [shown.metric_gpu_utilization, shown.metric_gpu_memory_utilization]
        return self._graph("load of instances", [each(period=every) for each in load], "Percent")

    def _instances(self) -> cloudwatch.IWidget:
        """Return how many instances report, and how many requests each gets."""
        shown, every = self._metrics, self._period
        return cloudwatch.GraphWidget(
            title=f"{shown.variant_name}: instances and requests to each",
            width=_HALF,
            height=_HEIGHT,
            left=[
                # Each instance reports its load once in a period of a minute.
                # Rests on A-HOST-11.
                shown.metric_cpu_utilization(statistic="SampleCount", period=Duration.minutes(1))
            ],
            left_y_axis=cloudwatch.YAxisProps(label="Instances", min=0),
            right=[shown.metric_invocations_per_instance(period=every)],
            right_y_axis=cloudwatch.YAxisProps(label="Requests", min=0),
        )

    def _graph(
        self, title: str, metrics: Sequence[cloudwatch.IMetric], unit: str
    ) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(
            title=f"{self._metrics.variant_name}: {title}",
            width=_HALF,
            height=_HEIGHT,
            left=list(metrics),
            left_y_axis=cloudwatch.YAxisProps(label=unit, min=0, show_units=False),
        )


def _backlog(endpoint: Endpoint, period: Duration) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(
        title="requests that wait",
        width=_WIDTH,
        height=_HEIGHT,
        left=[endpoint.metric(name, period=period) for name in _BACKLOG],
        left_y_axis=cloudwatch.YAxisProps(label="Requests", min=0),
    )


def _in_words(scope: Construct, endpoint: Endpoint, variants: Sequence[Variant]) -> str:
    """Return what is behind each variant, as a table in Markdown.

    In another stack it names no job and no image: they would be exports, which cannot change while
    they are used, and each compilation changes them.
    """
    is_here = stack_of(scope).node.addr == stack_of(endpoint).node.addr
    rows = "\n".join(f"| {' | '.join(_row(each, is_here=is_here))} |" for each in variants)
    head = "| variant | on | compilation job | target | image |\n|---|---|---|---|---|"
    return f"**{endpoint.endpoint_name}** in {stack_of(endpoint).region}\n\n{head}\n{rows}"


def _row(variant: Variant, *, is_here: bool) -> list[str]:
    model = variant.model
    job = model.compilation_job
    name = job.compilation_job_name if is_here and isinstance(job, CompilationJob) else _ELSEWHERE
    return [
        variant.variant_name,
        "serverless" if isinstance(variant, ServerlessVariant) else variant.instance_type,
        name if job else "none",
        str(model.target or "not known"),
        (model.image_uri or "not known") if is_here else _ELSEWHERE,
    ]


def _check_known(variants: Sequence[Variant]) -> list[Finding]:
    if variants:
        return []
    return [
        Finding(
            code="variant-unknown",
            where="endpoint",
            message="Its variants are not known: its configuration is imported, or still empty.",
            fix="make the dashboard after the variants, of an endpoint of this app.",
        )
    ]
