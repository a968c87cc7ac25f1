"""The container image that serves a compiled model: the complete table, and the look-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neo_constructs.catalog.data_tables import deep_learning_containers, documented, sdk_images
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.support import newest_of_older, supports
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of the table; its registry account differs by region.

    Parameters
    ----------
    repository, tag
        Where it lies in the registry.
    accounts
        Region to registry account.
    source
        ``sdk`` (the SageMaker SDK's data) or ``documentation`` (the developer guide only).
    """

    repository: str
    tag: str
    accounts: Mapping[str, str]
    source: str

    def uri(self, region: str) -> str:
        """Return the image's URI in a region.

        Raises
        ------
        ValidationError
            If the region has no such image.
        """
        if region not in self.accounts:
            raise ValidationError(
                [
                    Finding(
                        code="region-without-image",
                        where="region",
                        message=(
                            f"There is no {self.repository} image in {region!r}. "
                            f"Allowed: {listed(self.accounts)}."
                        ),
                        fix=suggestion(region, self.accounts) or "deploy to one of those regions.",
                    )
                ]
            )
        suffix = dns_suffix(region)
        registry = f"{self.accounts[region]}.dkr.ecr.{region}.{suffix}"
        return f"{registry}/{self.repository}:{self.tag}"


def registries() -> Mapping[str, str]:
    """Return the account that owns Neo's images, by region."""
    accounts: Mapping[str, str] = sdk_images()["registries"]
    return accounts


def dns_suffix(region: str) -> str:
    """Return the DNS suffix of a region that has images."""
    of_neo = sdk_images()["dns_suffixes"]
    known = of_neo if region in of_neo else deep_learning_containers()["dns_suffixes"]
    return str(known[region])


def find_image(framework: Framework, target: TargetDevice) -> Image:
    """Return the image that serves ``framework`` compiled for ``target``.

    The SageMaker SDK keeps a requested alias as the tag, takes any version where it knows only
    one, and answers ml_inf2 with an Inferentia1 image; this look-up does none of that: it maps
    an alias to the version that has an image, and refuses the rest.

    Raises
    ------
    ValidationError
        If no image is known for the combination.
    """
    # Of a target that is not known, the processor is a guess: Graviton's images would be others.
    if target.is_known and supports(framework, target):
        found = _from_sdk(framework, target) or _from_documentation(framework, target)
        if found:
            return found
    raise ValidationError(
        [
            Finding(
                code="image-unknown",
                where="framework",
                message=f"No serving image is known for {framework} on {target.name!r}.",
                fix="pass image=InferenceImage.from_uri(...) with the image to serve it.",
            )
        ]
    )


def image_classification() -> Image:
    """Return the image for SageMaker's built-in image classification algorithm, compiled."""
    return _sdk_image("image-classification-neo", "latest", processor=None)


def deep_learning_container(
    framework: str, version: str, *, processor: str = "cpu", python: str | None = None
) -> Image:
    """Return a plain inference image: for a model that is served uncompiled.

    Parameters
    ----------
    framework
        ``pytorch``, ``tensorflow``, ``mxnet`` or ``xgboost``.
    version
        A full version, or a short one, which stands for the newest of its kind: unlike the SDK,
        which keeps it as the tag.
    processor
        ``cpu`` or ``gpu``. Default: ``cpu``.
    python
        Such as ``py310``. Default: the newest the version has.

    Raises
    ------
    ValidationError
        If there is no such image.

    Examples
    --------
    >>> deep_learning_container("pytorch", "2.0").tag
    '2.0.1-cpu-py310'
    """
    table = deep_learning_containers()["frameworks"]
    if framework not in table:
        raise _no_container("framework", framework, list(table))
    known = table[framework]
    resolved = known["aliases"].get(version, version)
    if resolved not in known["versions"]:
        raise _no_container("version", version, list(known["versions"]))
    entry = known["versions"][resolved]
    if entry["processors"] and processor not in entry["processors"]:
        raise _no_container("processor", processor, entry["processors"])
    if python and python not in entry["pythons"]:
        raise _no_container("python", python, entry["pythons"])
    parts = [resolved]
    if entry["processors"]:
        parts.append(processor)
    if entry["pythons"]:
        parts.append(python or entry["pythons"][-1])
    return Image(
        repository=entry["repository"],
        tag="-".join(parts),
        accounts=deep_learning_containers()["accounts"][entry["accounts"]],
        source="sdk",
    )


def _no_container(where: str, value: str, allowed: list[str]) -> ValidationError:
    finding = Finding(
        code="container-unknown",
        where=where,
        message=f"There is no deep learning container with {where} {value!r}. "
        f"Allowed: {listed(allowed)}.",
        fix=suggestion(value, allowed) or "use InferenceImage.from_uri(...) for another image.",
    )
    return ValidationError([finding])


def image_uri(framework: Framework, target: TargetDevice, region: str) -> str:
    """Return the URI of the image that serves ``framework`` compiled for ``target``.

    Raises
    ------
    ValidationError
        If the combination has no image, or the region has none.

    Examples
    --------
    >>> image_uri(Framework.pytorch("2.0"), TargetDevice.ML_C5, "us-west-2")
    '301217895009.dkr.ecr.us-west-2.amazonaws.com/sagemaker-inference-pytorch:2.0-cpu-py3'
    """
    return find_image(framework, target).uri(region)


def _from_sdk(framework: Framework, target: TargetDevice) -> Image | None:
    processor = target.processor
    if framework.name == "XGBOOST":
        return _sdk_image("xgboost-neo", "latest", None)
    prefix = {"cpu": "neo", "gpu": "neo", "inf": "inferentia"}.get(processor)
    name = f"{prefix}-{framework.name.lower()}"
    if name not in sdk_images()["images"] or framework.version is None:
        return None
    if newest_of_older(framework.name, target):
        version: str | None = sdk_images()["images"][name]["versions"][-1]
    else:
        version = _sdk_version(name, framework)
    return _sdk_image(name, version, processor) if version else None


def _sdk_version(name: str, framework: Framework) -> str | None:
    configuration = sdk_images()["images"][name]
    versions: list[str] = configuration["versions"]
    if framework.version in versions:
        return framework.version
    alias: str | None = configuration["aliases"].get(framework.version)
    if alias:
        return alias
    # Neo distinguishes major and minor: 1.15 is served by the image of 1.15.3.
    same = [v for v in versions if ".".join(v.split(".")[:2]) == framework.major_minor]
    return same[0] if same else None


def _sdk_image(name: str, version: str, processor: str | None) -> Image:
    configuration = sdk_images()["images"][name]
    parts = [version]
    if configuration["processors"] and processor:
        parts.append(processor)
    if configuration["python"]:
        parts.append("py3")
    return Image(
        repository=configuration["repository"],
        tag="-".join(parts),
        accounts=registries(),
        source="sdk",
    )


# Rests on A-NEO-02.
def _from_documentation(framework: Framework, target: TargetDevice) -> Image | None:
    prefix = {"cpu": "neo", "gpu": "neo", "neuronx": "neuronx"}.get(target.processor)
    entry = documented()["images"].get(f"{prefix}-{framework.name.lower()}")
    if not entry:
        return None
    # One image serves every version that is compiled.
    (version,) = entry["versions"].values()
    regions = documented()["region_locks"].get(target.name) or list(registries())
    return Image(
        repository=entry["repository"],
        tag=entry["tag"].format(version=version, processor=target.processor),
        accounts={region: entry.get("account") or registries()[region] for region in regions},
        source="documentation",
    )
