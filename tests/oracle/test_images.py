"""Our image table against the SageMaker SDK's own answers."""

from __future__ import annotations

import functools
import itertools

import pytest
from sagemaker import image_uris, utils

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_classification, image_uri, registries
from neo_constructs.catalog.support import supported_versions
from neo_constructs.catalog.tables import sdk_images
from neo_constructs.catalog.target import TargetDevice

SDK_FRAMEWORK = {"cpu": "neo", "gpu": "neo", "inf": "inferentia"}
TARGETS = [
    TargetDevice(name)
    for name in ("ml_c4", "ml_c5", "ml_m4", "ml_m5", "ml_p2", "ml_p3", "ml_g4dn", "ml_inf1")
]


@pytest.fixture(autouse=True)
def _read_endpoints_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads botocore's table of endpoints again for every answer, which takes 50 ms."""
    resolver = functools.cache(utils._botocore_resolver)
    monkeypatch.setattr(utils, "_botocore_resolver", resolver)


def sdk_answer(framework: str, version: str | None, target: TargetDevice, region: str) -> str:
    return str(
        image_uris.retrieve(
            framework=framework,
            region=region,
            version=version,
            instance_type=target.name,
            image_scope="inference",
        )
    )


@pytest.mark.parametrize(
    ("framework", "combinations"), [("PYTORCH", 59), ("TENSORFLOW", 16), ("MXNET", 9)]
)
def test_every_framework_version_target_and_region_equals_the_sdk(
    framework: str, combinations: int
) -> None:
    compared = 0
    for target in TARGETS:
        name = f"{SDK_FRAMEWORK[target.processor]}-{framework.lower()}"
        versions = sdk_images()["images"][name]["versions"]
        supported = supported_versions(framework, target)
        for version, region in itertools.product(versions, registries()):
            ours = Framework(framework, version)
            assert ours.major_minor in supported
            assert image_uri(ours, target, region) == sdk_answer(name, version, target, region)
            compared += 1
    assert compared == combinations * len(registries())


def test_xgboost_and_image_classification_equal_the_sdk() -> None:
    target = TargetDevice.ML_C5
    for region in registries():
        assert image_uri(Framework.xgboost(), target, region) == sdk_answer(
            "xgboost-neo", "latest", target, region
        )
        assert image_classification().uri(region) == sdk_answer(
            "image-classification-neo", "latest", target, region
        )
