"""The endpoint that answers requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import (
    Duration,
    Fn,
    Resource,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.engine.asked_once import asked, settle
from neo_constructs.engine.late_checks import check_late
from neo_constructs.engine.permissions import warn
from neo_constructs.engine.statements import allow
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.deployment import DeploymentConfig, Rendered
from neo_constructs.hosting.endpoint_arguments import (
    check_alarm_kind,
    check_config,
    check_deployment,
    check_name,
    check_retained,
    refers_to,
)
from neo_constructs.hosting.endpoint_config import EndpointConfig
from neo_constructs.hosting.endpoint_rules import WholeEndpoint
from neo_constructs.hosting.endpoint_variant import EndpointVariant, metric_of
from neo_constructs.hosting.imported_endpoint import ImportedEndpoint, grant_invoke
from neo_constructs.hosting.interfaces import IEndpointConfig
from neo_constructs.hosting.role_access import FeatureRights, role_unknown
from neo_constructs.hosting.scaling import ScalableCapacity
from neo_constructs.hosting.variants import ALL_TRAFFIC, Variant
from neo_constructs.typed import typed

# Rests on A-HOST-09.
_NOT_SCALED: Final = ("DataCaptureConfig", "DesiredWeight")


class Endpoint(Resource):
    """A SageMaker endpoint. A new configuration moves it; it is not replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    endpoint_config
        What it serves.
    endpoint_name
        Default: CloudFormation makes one. A name of your own is stable for clients, and lets the
        endpoint go back by alarms on its own metrics.
    deployment_config
        How it moves to a new configuration. Default: all at once, blue/green.
    retain_all_variant_properties
        Whether an update leaves instance counts, weights and data capture as they are. Default:
        where a variant scales, the instance counts; else nothing.
    exclude_retained_variant_properties
        What of these an update sets nevertheless: ``DesiredInstanceCount``, ``DesiredWeight``,
        ``DataCaptureConfig``. Default: the last two, where a variant scales and
        ``retain_all_variant_properties`` is left out; else none.

    Attributes
    ----------
    endpoint_name, endpoint_arn
        Known at deploy.
    endpoint_config, deployment_config
        As given.
    variants, is_async
        What answers requests, and whether later; of an imported configuration not known.
    rollback_alarms
        What makes an update go back.
    metric_endpoint_name
        The name as metrics bear it: as it was given, where it was.

    Raises
    ------
    ValidationError
        If the name or the deployment is not one that SageMaker takes. What is wrong with all of
        the endpoint together is said when the app is synthesized.

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
        deployment_config: DeploymentConfig | None = None,
        retain_all_variant_properties: bool | None = None,
        exclude_retained_variant_properties: Sequence[str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        found = [
            *check_name(endpoint_name),
            *check_config(self, endpoint_config),
            *(deployment_config.check() if deployment_config else ()),
            *check_retained(exclude_retained_variant_properties),
        ]
        raise_errors(found, subject=lambda: self.node.path)
        self.endpoint_config: Final = endpoint_config
        self._deployment = deployment_config
        self._alarms: list[cloudwatch.IAlarm] = []
        self._scalings: list[ScalableCapacity] = []
        self._retain, self._exclude = (
            retain_all_variant_properties,
            exclude_retained_variant_properties,
        )
        self._resource = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_config_name=endpoint_config.endpoint_config_name,
            endpoint_name=endpoint_name,
            deployment_config=deployment_config.render() if deployment_config else None,
            retain_all_variant_properties=self._retains(),
            exclude_retained_variant_properties=self._excludes(),
        )
        # An alarm by the literal name can make the endpoint go back: it does not wait for it.
        is_literal = endpoint_name is not None and not is_unresolved(endpoint_name)
        self._literal_name = endpoint_name if is_literal else None
        self._warned: set[str] = set()
        check_late(self, self._check_whole)
        for alarm in deployment_config.rollback_alarms if deployment_config else ():
            self.add_rollback_alarm(alarm)

    @typed
    def add_rollback_alarm(self, alarm: cloudwatch.IAlarm) -> None:
        """Let an update go back when an alarm goes off while the update waits.

        The roles of all models of the configuration get the right to look at the alarm, as
        SageMaker asks for.

        Parameters
        ----------
        alarm
            On the endpoint's own metrics only if the endpoint has a name of its own: else the
            endpoint would wait for the alarm, and the alarm for the endpoint.

        Raises
        ------
        ValidationError
            If it waits for the endpoint, or the endpoint has no ``deployment_config``, which
            says how long alarms are watched.
        """
        found = [
            *check_deployment(self._deployment),
            *check_alarm_kind(alarm),
            *self._check_circle(alarm),
        ]
        raise_errors(found, subject=lambda: self.node.path)
        if any(each is alarm for each in self._alarms):
            return
        self._alarms.append(alarm)
        self._resource.deployment_config = self._render_deployment()
        # Rests on A-HOST-03.
        describe = allow(actions=["cloudwatch:DescribeAlarms"], resources=[alarm.alarm_arn])
        config = self.endpoint_config
        rights = FeatureRights(
            statements=[describe], places=[alarm.alarm_arn], what="rollback_alarms"
        )
        if isinstance(config, EndpointConfig):
            config.allow_models(rights)
        else:
            warn(self, [role_unknown(self, [config.node.path], rights)])

    @property
    def rollback_alarms(self) -> tuple[cloudwatch.IAlarm, ...]:
        """What makes an update go back."""
        return tuple(self._alarms)

    @property
    def metric_endpoint_name(self) -> str:
        """The name as metrics bear it: as it was given, where it was."""
        return self._literal_name or self.endpoint_name

    @property
    def endpoint_name(self) -> str:
        """The endpoint's name."""
        return str(asked(self._resource, "attr_endpoint_name"))

    @property
    def endpoint_arn(self) -> str:
        """The endpoint's ARN; not put together from the name, which SageMaker lowercases in it."""
        return str(asked(self._resource, "ref"))

    @property
    def variants(self) -> tuple[Variant, ...] | None:
        """What answers requests; None of a configuration that is imported."""
        config = self.endpoint_config
        return config.production_variants if isinstance(config, EndpointConfig) else None

    @property
    def is_async(self) -> bool:
        """Whether it is known to answer later."""
        config = self.endpoint_config
        return isinstance(config, EndpointConfig) and config.is_async

    @property
    def deployment_config(self) -> DeploymentConfig | None:
        """How it moves to a new configuration, as given."""
        return self._deployment

    def check(self) -> list[Finding]:
        """Say what is wrong with all of it together, as far as it is there."""
        config = self.endpoint_config
        return WholeEndpoint(
            variants=self.variants,
            shadow=config.shadow_production_variants if isinstance(config, EndpointConfig) else (),
            is_async=self.is_async,
            deployment=self._deployment,
            alarms=len(self._alarms),
            scaled=[each.scaled for each in self._scalings],
        ).check()

    @typed
    def variant(self, variant_name: str = ALL_TRAFFIC) -> EndpointVariant:
        """Return a variant by its name, for its metrics.

        Parameters
        ----------
        variant_name
            Default: ``AllTraffic``.
        """
        return EndpointVariant(self, variant_name)

    @typed
    def metric(
        self, metric_name: str, *, statistic: str = "Average", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of the endpoint as a whole, such as ``ApproximateBacklogSize``.

        Parameters
        ----------
        metric_name
            As CloudWatch has it in ``AWS/SageMaker``.
        statistic
            Default: ``Average``.
        period
            Default: 5 minutes.
        """
        return metric_of(self, metric_name, statistic, period)

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
        """Let ``grantee`` send requests to the endpoint, in the way that it takes them."""
        return grant_invoke(self.endpoint_arn, grantee, is_async=self.is_async)

    def note_scaling(self, capacity: ScalableCapacity) -> None:
        """Keep what scaling has made of a variant through updates; called by what scales."""
        self._scalings.append(capacity)
        self._resource.retain_all_variant_properties = self._retains()
        self._resource.exclude_retained_variant_properties = self._excludes()

    def _check_whole(self) -> list[str]:
        """Say what is wrong with the endpoint as a whole; what is doubtful becomes its warnings."""
        found = self.check()
        doubts = [each for each in found if each.level is Level.WARNING]
        # An app may be synthesized twice, in a test for example.
        warn(self, [each for each in doubts if str(each) not in self._warned])
        self._warned |= {str(each) for each in doubts}
        return [str(each) for each in found if each.level is Level.ERROR]

    def _check_circle(self, alarm: cloudwatch.IAlarm) -> list[Finding]:
        if not isinstance(alarm, cloudwatch.Alarm) or not refers_to(alarm, self):
            return []
        return [
            Finding(
                code="rollback-alarm-circle",
                where="rollback_alarms",
                message=f"{alarm.node.path} is about this endpoint's own metrics: the endpoint "
                "would wait for the alarm, and the alarm for the endpoint.",
                fix="give the endpoint an endpoint_name, so that the alarm need not wait for it.",
            )
        ]

    def _render_deployment(self) -> Rendered | None:
        # Rests on A-HOST-03.
        names = [alarm.alarm_name for alarm in self._alarms]
        return self._deployment.render(names) if self._deployment else None

    def _retains(self) -> bool | None:
        return bool(self._scalings) or None if self._retain is None else self._retain

    def _excludes(self) -> list[Any] | None:
        chosen = self._exclude
        if chosen is None:
            # Rests on A-HOST-09.
            chosen = _NOT_SCALED if self._retain is None and self._scalings else ()
        made = sagemaker.CfnEndpoint.VariantPropertyProperty
        return [made(variant_property_type=name) for name in chosen] or None
