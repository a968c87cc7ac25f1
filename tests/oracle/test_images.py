"""Our image table against the SageMaker SDK's own answers."""

from __future__ import annotations

import itertools

import pytest

from neo_constructs.catalog.data_tables import documented, sdk_images
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_classification, image_uri, registries
from neo_constructs.catalog.support import check, supported_versions
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Level
from tests.oracle.sdk import image_answer

SDK_FRAMEWORK = {"cpu": "neo", "gpu": "neo", "inf": "inferentia"}
TARGETS = [TargetDevice(name) for name in documented()["processors"]]


@pytest.mark.parametrize(
    ("framework", "combinations"), [("PYTORCH", 59), ("TENSORFLOW", 16), ("MXNET", 9)]
)
def test_every_framework_version_target_and_region_equals_the_sdk(
    framework: str, combinations: int
) -> None:
    compared = 0
    for target in TARGETS:
        if target.processor not in SDK_FRAMEWORK:
            continue  # the SDK has no Neo image for them; see differences.py
        name = f"{SDK_FRAMEWORK[target.processor]}-{framework.lower()}"
        versions = sdk_images()["images"][name]["versions"]
        supported = supported_versions(framework, target)
        for version, region in itertools.product(versions, registries()):
            ours = Framework(framework, version)
            assert ours.major_minor in supported
            assert image_uri(ours, target, region) == image_answer(
                name, version, target.name, region
            )
            compared += 1
    assert compared == combinations * len(registries())


def test_xgboost_and_image_classification_equal_the_sdk() -> None:
    targets = [t for t in TARGETS if t.processor in {"cpu", "gpu"}]
    for target, region in itertools.product(targets, registries()):
        assert image_uri(Framework.xgboost(), target, region) == image_answer(
            "xgboost-neo", "latest", target.name, region
        )
    for region in registries():
        assert image_classification().uri(region) == image_answer(
            "image-classification-neo", "latest", "ml_c5", region
        )


def test_whatever_passes_the_checks_has_an_image() -> None:
    found = 0
    for target in TARGETS:
        for name, by_processor in documented()["support"].items():
            for version in by_processor.get(target.processor, []):
                framework = Framework(name, version)
                assert not [f for f in check(framework, target) if f.level is Level.ERROR]
                region = documented()["region_locks"].get(target.name, ["eu-west-1"])[0]
                assert image_uri(framework, target, region)
                found += 1
    assert found == 7 * 14 + 7 + 2 * 2
