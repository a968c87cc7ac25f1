"""Write the generated half of the catalog from the SageMaker SDK and the service model.

    python tools/refresh_catalog.py           write neo_constructs/catalog/data/*.json
    python tools/refresh_catalog.py --check   exit 1 if what is committed differs

What only the documentation states is not here: it is kept by hand in documented.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import botocore.session

DATA = Path(__file__).parent.parent / "neo_constructs" / "catalog" / "data"
CONFIGURATIONS = (
    "neo-pytorch",
    "neo-tensorflow",
    "neo-mxnet",
    "inferentia-pytorch",
    "inferentia-tensorflow",
    "inferentia-mxnet",
    "xgboost-neo",
    "image-classification-neo",
)


def sdk_images() -> dict[str, Any]:
    """Return the SDK's Neo images: repositories, versions, aliases, and one account map."""
    configurations = {name: _image_configuration(name) for name in CONFIGURATIONS}
    registries = _one_of(
        version["registries"]
        for configuration in configurations.values()
        for version in configuration["versions"].values()
    )
    return {
        "source": f"sagemaker {metadata.version('sagemaker')}: sagemaker/image_uri_config/*.json",
        "registries": dict(sorted(registries.items())),
        "dns_suffixes": {region: _dns_suffix(region) for region in sorted(registries)},
        "images": {
            name: {
                "repository": _one_of(v["repository"] for v in configuration["versions"].values()),
                "processors": configuration.get("processors") or [],
                "python": bool(next(iter(configuration["versions"].values())).get("py_versions")),
                "versions": list(configuration["versions"]),
                "aliases": configuration.get("version_aliases", {}),
            }
            for name, configuration in configurations.items()
        },
    }


def deep_learning_containers() -> dict[str, Any]:
    """Return the SDK's plain inference images: for models that are served uncompiled.

    Only the repositories of today (``*-inference``, ``sagemaker-xgboost``); the account maps
    differ between versions, so each is kept once and referred to by number.
    """
    accounts: list[dict[str, str]] = []
    frameworks: dict[str, Any] = {}
    for name in ("pytorch", "tensorflow", "mxnet", "xgboost"):
        configuration = _image_configuration(name)["inference"]
        versions = {}
        for version, entry in configuration["versions"].items():
            repository = entry.get("repository", "")
            if not repository.endswith("-inference") and repository != "sagemaker-xgboost":
                continue
            registries = dict(sorted(entry["registries"].items()))
            if registries not in accounts:
                accounts.append(registries)
            versions[version] = {
                "repository": repository,
                "processors": entry.get("processors", configuration.get("processors")) or [],
                "pythons": entry.get("py_versions", []),
                "accounts": accounts.index(registries),
            }
        frameworks[name] = {
            "versions": versions,
            "aliases": {
                alias: version
                for alias, version in configuration.get("version_aliases", {}).items()
                if version in versions
            },
        }
    regions = sorted({region for table in accounts for region in table})
    return {
        "source": f"sagemaker {metadata.version('sagemaker')}: sagemaker/image_uri_config/*.json",
        "accounts": accounts,
        "dns_suffixes": {region: _dns_suffix(region) for region in regions},
        "frameworks": frameworks,
    }


def _image_configuration(name: str) -> Any:
    """Read one of the SDK's tables as a file: importing the SDK takes seconds."""
    sdk = metadata.distribution("sagemaker")
    path = sdk.locate_file(f"sagemaker/image_uri_config/{name}.json")
    return json.loads(Path(str(path)).read_text())


def service_model() -> dict[str, Any]:
    """Return the enumerations of the SageMaker API that the checks lean on."""
    model = botocore.session.get_session().get_service_model("sagemaker")

    def enum(shape: str) -> list[str]:
        return list(model.shape_for(shape).metadata["enum"])

    return {
        "source": f"botocore {metadata.version('botocore')}: sagemaker/2017-07-24/service-2.json",
        "target_devices": enum("TargetDevice"),
        "frameworks": enum("Framework"),
        "instance_types": sorted(enum("ProductionVariantInstanceType")),
    }


def _dns_suffix(region: str) -> str:

    session = botocore.session.get_session()
    partition = session.get_partition_for_region(region)
    resolver = session.get_component("endpoint_resolver")
    return str(resolver.get_partition_dns_suffix(partition))


def _one_of(values: Any) -> Any:
    first, *others = list(values)
    if any(other != first for other in others):
        sys.exit("The SDK's configurations no longer agree; the catalog's shape must follow.")
    return first


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = False
    for name, content in (
        ("sdk_images", sdk_images()),
        ("deep_learning_containers", deep_learning_containers()),
        ("service_model", service_model()),
    ):
        path = DATA / f"{name}.json"
        text = json.dumps(content, indent=1) + "\n"
        if not check:
            path.write_text(text)
        elif _without_source(path.read_text()) != _without_source(text):
            print(f"{path.name} differs from {content['source']}; run tools/refresh_catalog.py")
            stale = True
    return int(stale)


def _without_source(text: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(text).items() if key != "source"}


if __name__ == "__main__":
    sys.exit(main())
