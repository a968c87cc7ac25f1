"""What is wrong with an endpoint's variants together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from aws_cdk import Token

from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.variants import ServerlessVariant, Variant

MAX_VARIANTS: Final = 10  # botocore, ProductionVariantList
_WHERE: Final = "production_variants"


def check_variants(variants: Sequence[Variant]) -> list[Finding]:
    """Say what is wrong with all variants of an endpoint together."""
    return [*_count(variants), *_names(variants), *_weights(variants), *_serverless(variants)]


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
    if weights and not any(Token.is_unresolved(weight) or weight for weight in weights):
        yield Finding(
            code="variant-weights",
            where=_WHERE,
            message="Every variant has the weight 0, so that none gets a request.",
            fix="give one of them an initial_variant_weight above 0.",
        )


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
