"""The plain inference images against the SageMaker SDK's own answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from neo_constructs.catalog.data_tables import deep_learning_containers
from neo_constructs.catalog.images import deep_learning_container
from tests.oracle.sdk import image_answer

INSTANCE_TYPES = {"cpu": "ml.c5.large", "gpu": "ml.g4dn.xlarge"}


def combinations(framework: str) -> Iterator[tuple[str, str, str | None]]:
    versions = deep_learning_containers()["frameworks"][framework]["versions"]
    for version, entry in versions.items():
        for processor in entry["processors"] or ["cpu"]:
            for python in entry["pythons"] or [None]:
                yield version, processor, python


@pytest.mark.parametrize(
    ("framework", "expected"),
    [("pytorch", 2552), ("tensorflow", 3356), ("mxnet", 350), ("xgboost", 333)],
)
def test_every_container_equals_the_sdk(framework: str, expected: int) -> None:
    compared = 0
    for version, processor, python in combinations(framework):
        image = deep_learning_container(framework, version, processor=processor, python=python)
        for region in image.accounts:
            answer = image_answer(
                framework, version, INSTANCE_TYPES[processor], region, py_version=python
            )
            assert image.uri(region) == answer
            compared += 1
    assert compared == expected
