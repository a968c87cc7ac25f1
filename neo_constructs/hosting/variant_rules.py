"""What is wrong with an endpoint's variants together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from neo_constructs.catalog.instance_types import has_local_storage, is_inferentia1
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.instance_type_choice import possible_types
from neo_constructs.hosting.model_feature import NOT_SHADOWED
from neo_constructs.hosting.variants import InstanceVariant, ServerlessVariant, Variant

MAX_VARIANTS: Final = 10  # botocore, ProductionVariantList
_WHERE: Final = "production_variants"
_SHADOW: Final = "shadow_production_variants"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeConfig:
    """All of an endpoint configuration, once all is there.

    Parameters
    ----------
    production, shadow
        The variants.
    is_async, has_capture, has_key
        Whether it has an ``async_inference_config``, a ``data_capture_config``, an
        ``encryption_key``.
    """

    production: Sequence[Variant]
    shadow: Sequence[Variant] = ()
    is_async: bool = False
    has_capture: bool = False
    has_key: bool = False

    def check(self) -> list[Finding]:
        """Say what is wrong with all of it together."""
        return [
            *_count(self.production),
            *_names([*self.production, *self.shadow]),
            *_weights(self.production),
            *_serverless(self.production),
            *self._check_serverless_features(),
            *self._check_shadow(),
            *self._check_storage(),
        ]

    def _check_serverless_features(self) -> Iterator[Finding]:
        """Source: AWS developer guide, page serverless-endpoints, Feature exclusions."""
        features = [
            name
            for name, is_given in (
                ("async_inference_config", self.is_async),
                ("data_capture_config", self.has_capture),
            )
            if is_given
        ]
        if features and any(isinstance(each, ServerlessVariant) for each in self.production):
            yield Finding(
                code="serverless-feature",
                where=", ".join(features),
                message="Serverless inference does not have it.",
                fix="leave it out, or serve the model on instances.",
            )

    def _check_shadow(self) -> Iterator[Finding]:
        """Source: AWS developer guide, page shadow-tests-exclusions, and botocore's lists."""
        if not self.shadow:
            return
        if len(self.shadow) > 1 or len(self.production) != 1:
            yield Finding(
                code="shadow-variants",
                where=_SHADOW,
                message=f"{len(self.shadow)} are given beside {len(self.production)} production "
                "variants. Allowed: one beside one.",
                fix="give the endpoint one of each.",
            )
        both = [*self.production, *self.shadow]
        reasons = [
            *(["asynchronous inference"] if self.is_async else []),
            *(why for each in both if (why := _excludes_shadow(each))),
        ]
        if reasons:
            yield Finding(
                code="shadow-excluded",
                where=_SHADOW,
                message=f"An endpoint with {listed(dict.fromkeys(reasons))} has no shadow "
                "variants.",
                fix="leave out the shadow variant.",
            )

    def _check_storage(self) -> Iterator[Finding]:
        """Source: API reference, CreateEndpointConfig, KmsKeyId."""
        types = [
            repr(kind)
            for each in [*self.production, *self.shadow]
            if isinstance(each, InstanceVariant)
            for kind in possible_types(each.instance_type)
            if has_local_storage(kind)
        ]
        # Rests on A-HOST-12.
        if self.has_key and types:
            yield Finding(
                code="local-storage",
                where="encryption_key",
                message=f"{listed(dict.fromkeys(types))} has storage of its own, which its "
                "hardware encrypts; SageMaker takes no key for it.",
                fix="leave out encryption_key, or take an instance type without storage of its "
                "own.",
            )


def _excludes_shadow(variant: Variant) -> str:
    if isinstance(variant, ServerlessVariant):
        return "serverless inference"
    if any(map(is_inferentia1, possible_types(variant.instance_type))):
        return "Inf1 instances"
    return next(iter(sorted(variant.model.features & NOT_SHADOWED)), "")


def _count(variants: Sequence[Variant]) -> Iterator[Finding]:
    if not 1 <= len(variants) <= MAX_VARIANTS:
        yield Finding(
            code="variant-count",
            where=_WHERE,
            message=f"{len(variants)} variants are given. Allowed: 1 to {MAX_VARIANTS}.",
            fix="give what answers requests: production_variants, or add_production_variant.",
        )


def _names(variants: Sequence[Variant]) -> Iterator[Finding]:
    times = Counter(variant.variant_name for variant in variants)
    if twice := sorted(repr(name) for name, number in times.items() if number > 1):
        yield Finding(
            code="variant-name-twice",
            where=_WHERE,
            message=f"Several variants are called {listed(twice)}.",
            fix="give each a variant_name of its own.",
        )


def _weights(variants: Sequence[Variant]) -> Iterator[Finding]:
    weights = [variant.initial_variant_weight for variant in variants]
    if weights and not any(is_unresolved(weight) or weight for weight in weights):
        yield Finding(
            code="variant-weights",
            where=_WHERE,
            message="Every variant has the weight 0, so that none gets a request.",
            fix="give one of them an initial_variant_weight above 0.",
        )


# Rests on A-HOST-01.
def _serverless(variants: Sequence[Variant]) -> Iterator[Finding]:
    names = [repr(v.variant_name) for v in variants if isinstance(v, ServerlessVariant)]
    if names and len(variants) > 1:
        yield Finding(
            code="serverless-alone",
            where=_WHERE,
            message=f"{listed(names)} is serverless, beside {len(variants) - len(names)} on "
            f"instances and {len(names) - 1} more: a serverless variant is alone on its endpoint.",
            fix="make an endpoint of its own for it.",
        )
