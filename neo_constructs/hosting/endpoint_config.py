"""The endpoint's configuration: which models, on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import Fn, Resource, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct

from neo_constructs.compilation.places import check_bucket, check_region, elsewhere
from neo_constructs.engine.asked_once import asked, is_same, settle, stack_of
from neo_constructs.engine.late_checks import check_late
from neo_constructs.engine.permissions import warn
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.arns import arn_of
from neo_constructs.hosting.async_inference import AsyncInferenceConfig
from neo_constructs.hosting.data_capture import DataCaptureConfig
from neo_constructs.hosting.imported_model import ImportedModel
from neo_constructs.hosting.interfaces import IModel
from neo_constructs.hosting.model import Model
from neo_constructs.hosting.role_access import FeatureRights, allow_models
from neo_constructs.hosting.variant_rules import WholeConfig
from neo_constructs.hosting.variants import InstanceVariant, Variant
from neo_constructs.typed import typed


class EndpointConfig(Resource):
    """An endpoint configuration.

    It has no name of its own: it cannot change, and a named one could not be replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    production_variants
        What answers requests: values of ``InstanceVariant``, or one ``ServerlessVariant``. More
        can be added. Default: none yet.
    shadow_production_variants
        Gets a copy of requests, and its answers go nowhere: one ``InstanceVariant`` beside one
        production variant. Its weight against the sum of both is the part that it gets. Default:
        none.
    data_capture_config
        Keeps a sample of requests and answers in S3. Default: nothing is kept.
    async_inference_config
        Makes the endpoint answer later, by way of S3. Default: it answers at once.
    encryption_key
        Encrypts the instances' volumes, and is refused where an instance has storage of its own.
        Its policy must let whoever deploys use it, as SageMaker does in their name. Default:
        SageMaker's own key.

    Attributes
    ----------
    endpoint_config_name, endpoint_config_arn
        Known at deploy.
    production_variants, shadow_production_variants
        What answers requests, and what gets copies.
    is_async
        Whether it answers later.

    Raises
    ------
    ValidationError
        If a variant cannot be served. What is wrong with all of them together is said when the
        app is synthesized.

    Examples
    --------
    >>> config = EndpointConfig(stack, "Config")  # doctest: +SKIP
    >>> config.add_production_variant(InstanceVariant(model=a, instance_type="ml.c5.large"))
    ... # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        production_variants: Sequence[Variant] = (),
        shadow_production_variants: Sequence[InstanceVariant] = (),
        data_capture_config: DataCaptureConfig | None = None,
        async_inference_config: AsyncInferenceConfig | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        self._variants: list[Variant] = []
        self._shadows: list[Variant] = list(shadow_production_variants)
        self._capture: Final = data_capture_config
        self._async: Final = async_inference_config
        self._has_key: Final = encryption_key is not None
        self.is_async: Final[bool] = async_inference_config is not None
        given = [*production_variants, *shadow_production_variants]
        found = [
            *(
                finding
                for variant in given
                for finding in _check(self, variant, is_one_of_several=len(given) > 1)
            ),
            *(data_capture_config.check() if data_capture_config else ()),
            *(async_inference_config.check() if async_inference_config else ()),
            *self._check_places(),
        ]
        warn(self, raise_errors(found, subject=lambda: self.node.path))
        self._resource = sagemaker.CfnEndpointConfig(
            self,
            "Resource",
            # Rests on A-HOST-14.
            kms_key_id=encryption_key.key_arn if encryption_key else None,
            production_variants=[each.render() for each in production_variants],
            # Rests on A-HOST-05.
            shadow_production_variants=[each.render() for each in self._shadows] or None,
            data_capture_config=data_capture_config.render() if data_capture_config else None,
            async_inference_config=(
                async_inference_config.render() if async_inference_config else None
            ),
        )
        check_late(self, lambda: [str(finding) for finding in self.check()])
        self._variants += production_variants
        for each in given:
            self._wait_for(each.model)
        self._rights: list[FeatureRights] = []
        for feature in (data_capture_config, async_inference_config):
            if feature:
                self.allow_models(feature.rights())

    @property
    def endpoint_config_name(self) -> str:
        """Its name."""
        return str(asked(self._resource, "attr_endpoint_config_name"))

    @property
    def endpoint_config_arn(self) -> str:
        """Its ARN."""
        return str(asked(self._resource, "ref"))

    @staticmethod
    @typed
    def from_endpoint_config_name(
        scope: Construct, construct_id: str, endpoint_config_name: str
    ) -> ImportedEndpointConfig:
        """Return a configuration that is there already."""
        return ImportedEndpointConfig(scope, construct_id, name=endpoint_config_name)

    @staticmethod
    @typed
    def from_endpoint_config_arn(
        scope: Construct, construct_id: str, endpoint_config_arn: str
    ) -> ImportedEndpointConfig:
        """Return a configuration that is there already.

        SageMaker lowercases names in ARNs: of one with capitals, use
        ``from_endpoint_config_name``.
        """
        name = Fn.select(1, Fn.split("/", endpoint_config_arn))
        return ImportedEndpointConfig(scope, construct_id, name=name, arn=endpoint_config_arn)

    @property
    def production_variants(self) -> tuple[Variant, ...]:
        """What answers requests."""
        return tuple(self._variants)

    @property
    def shadow_production_variants(self) -> tuple[Variant, ...]:
        """What gets copies of requests."""
        return tuple(self._shadows)

    @typed
    def add_production_variant(self, variant: Variant) -> None:
        """Let a variant more answer requests.

        Raises
        ------
        ValidationError
            If it cannot be served.
        """
        found = _check(self, variant, is_one_of_several=True)
        warn(self, raise_errors(found, subject=lambda: self.node.path))
        self._append(variant)

    def check(self) -> list[Finding]:
        """Say what is wrong with all variants together, as far as they are there."""
        return WholeConfig(
            production=self._variants,
            shadow=self._shadows,
            is_async=self.is_async,
            has_capture=self._capture is not None,
            has_key=self._has_key,
        ).check()

    def allow_models(self, rights: FeatureRights) -> None:
        """Give the roles of all models rights: of those that are there, and of those to come."""
        self._rights.append(rights)
        self._allow([each.model for each in [*self._variants, *self._shadows]], [rights])

    def _append(self, variant: Variant) -> None:
        self._variants.append(variant)
        self._resource.production_variants = [each.render() for each in self._variants]
        self._wait_for(variant.model)
        self._allow([variant.model], self._rights)

    def _wait_for(self, model: IModel) -> None:
        if isinstance(model, Model):
            model.let_wait(self._resource)

    def _allow(self, models: Sequence[IModel], rights: Sequence[FeatureRights]) -> None:
        dependencies = [each for right in rights for each in allow_models(self, models, right)]
        if dependencies:
            self._resource.node.add_dependency(*dependencies)

    def _check_places(self) -> list[Finding]:
        """Say if what the endpoint reads and writes lies where it cannot."""
        capture, later = self._capture, self._async
        buckets = {
            "data_capture_config, bucket": capture.bucket if capture else None,
            "async_inference_config, bucket": later.bucket if later else None,
            "async_inference_config, input_bucket": later.input_bucket if later else None,
        }
        others: dict[str, kms.IKey | sns.ITopic | None] = {
            "data_capture_config, encryption_key": capture.encryption_key if capture else None,
            "async_inference_config, encryption_key": later.encryption_key if later else None,
            "async_inference_config, success_topic": later.success_topic if later else None,
            "async_inference_config, error_topic": later.error_topic if later else None,
        }
        return [
            *(
                finding
                for where, bucket in buckets.items()
                if bucket
                for finding in check_bucket(self, bucket, where, whose="the models' roles")
            ),
            *(
                finding
                for where, other in others.items()
                if other
                for finding in check_region(self, other, where)
            ),
        ]


class ImportedEndpointConfig(Resource):
    """A configuration that is there already; see ``EndpointConfig.from_endpoint_config_name``."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, arn: str | None = None
    ) -> None:
        # With an ARN, `env` is where that says.
        super().__init__(scope, construct_id, environment_from_arn=arn)
        self.endpoint_config_name: Final = name
        self.endpoint_config_arn: Final = arn or arn_of(self, "endpoint-config", name)


def _check(scope: Construct, variant: Variant, *, is_one_of_several: bool) -> list[Finding]:
    where = f"variant {variant.variant_name!r}, " if is_one_of_several else ""
    return [*variant.check(variant.model.target, where), *_check_stack(scope, variant, where)]


def _check_stack(scope: Construct, variant: Variant, where: str) -> list[Finding]:
    """Say whether a model's name would be an export, which could not change while it is used."""
    if isinstance(variant.model, ImportedModel):
        env = variant.model.env
        is_other = any(elsewhere(scope, env.region, env.account))
        return [_elsewhere(scope, variant, where)] if is_other else []
    if is_deployed_with(scope, variant.model):
        return []
    mine, other = root_stack(scope), root_stack(variant.model)
    return [
        Finding(
            code="model-other-stack",
            where=f"{where}model",
            message=f"The model is in the stack {other.stack_name!r}, the configuration in "
            f"{mine.stack_name!r}. Its name would be an export, and a new model could not replace "
            "it while it is used.",
            fix="put the model into the configuration's stack; its compilation job may be in "
            "another.",
        )
    ]


def _elsewhere(scope: Construct, variant: Variant, where: str) -> Finding:
    stack, theirs = stack_of(scope), variant.model.env
    return Finding(
        code="model-other-stack",
        where=f"{where}model",
        message=f"{variant.model.node.path} is in {theirs.account}/{theirs.region}, this stack in "
        f"{stack.account}/{stack.region}; an endpoint serves models of its own account and region.",
        fix="make the model where the endpoint is.",
    )


def is_deployed_with(one: IConstruct, other: IConstruct) -> bool:
    """Whether two constructs are in one stack, or in stacks that are nested in one."""
    if stack_of(one) is stack_of(other):
        return True
    return is_same(root_stack(one), root_stack(other))


def root_stack(scope: IConstruct) -> Stack:
    """Return the stack that a construct is deployed with, around nested ones."""
    stack = stack_of(scope)
    while stack.nested_stack_parent:
        stack = stack.nested_stack_parent
    return stack
