"""The framework a model was saved with, and its version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neo_constructs.catalog.data_tables import documented
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.typed import check_fields, typed

_MAJOR_MINOR = re.compile(r"\d+\.\d+(?=\.|$)")


@dataclass(frozen=True, slots=True)
class Framework:
    """A value of ``InputConfig.Framework`` with the version the model was saved in.

    Parameters
    ----------
    name
        The service's own name, in upper case: ``PYTORCH``.
    version
        The framework's version, ``2.0`` or ``2.0.1``; Neo distinguishes major and minor.
    is_checked
        False for ``Framework.of``: what the catalog says against it is then only a warning.

    Examples
    --------
    >>> Framework.pytorch("2.0.1").major_minor
    '2.0'
    """

    name: str
    version: str | None = None
    is_checked: bool = True

    def __post_init__(self) -> None:
        """Refuse a number for a version: 1.10 would arrive as 1.1."""
        check_fields(self)

    @classmethod
    @typed
    def pytorch(cls, version: str) -> Framework:
        """PyTorch: one TorchScript file, traced, float32 input."""
        return cls("PYTORCH", version)

    @classmethod
    @typed
    def tensorflow(cls, version: str) -> Framework:
        """TensorFlow: one frozen graph or one SavedModel."""
        return cls("TENSORFLOW", version)

    @classmethod
    @typed
    def mxnet(cls, version: str = "1.8") -> Framework:
        """MXNet: one symbol file and one parameter file."""
        return cls("MXNET", version)

    @classmethod
    def onnx(cls) -> Framework:
        """ONNX: one file, up to ONNX 1.7 (opset 12, IR version 7)."""
        # Rests on A-NEO-12.
        return cls("ONNX", "1.7")

    @classmethod
    def keras(cls) -> Framework:
        """Keras: one ``.h5`` file, up to Keras 2.2.4."""
        return cls("KERAS", "2.2")

    @classmethod
    def xgboost(cls) -> Framework:
        """XGBoost: one model file, up to XGBoost 1.3.3."""
        return cls("XGBOOST", "1.3")

    @classmethod
    @typed
    def of(cls, name: str, version: str | None = None) -> Framework:
        """Return any framework and version: the escape hatch when the catalog has aged."""
        return cls(name.upper(), version, is_checked=False)

    @classmethod
    @typed
    def parse(cls, text: str, *, where: str = "framework") -> Framework:
        """Return the framework that ``pytorch:2.0`` or ``onnx`` names.

        Raises
        ------
        ValidationError
            If the name is unknown, or a version is missing where Neo needs one.
        """
        name, _, version = text.partition(":")
        known = {key.lower(): versions for key, versions in documented()["support"].items()}
        if name.lower() not in known:
            raise ValidationError(
                [
                    Finding(
                        code="framework-unknown",
                        where=where,
                        message=(
                            f"{text!r} names no framework that Neo compiles for a cloud instance. "
                            f"Allowed: {listed(known)}."
                        ),
                        fix=suggestion(name.lower(), known) or "write it as 'pytorch:2.0'.",
                    )
                ]
            )
        by_processor = known[name.lower()]
        if version:
            return cls(name.upper(), version)
        versions = list(dict.fromkeys(v for vs in by_processor.values() for v in vs))
        if len(versions) == 1:
            return cls(name.upper(), versions[0])
        raise ValidationError(
            [
                Finding(
                    code="framework-version-missing",
                    where=where,
                    message=f"{text!r} says no version. Allowed: {listed(versions)}.",
                    fix=f"write it as '{name.lower()}:{_newest(by_processor)}', "
                    "with the version the model was saved in.",
                )
            ]
        )

    @property
    def major_minor(self) -> str | None:
        """The version as Neo distinguishes it: ``1.15`` for ``1.15.3``."""
        shortened = _MAJOR_MINOR.match(self.version or "")
        return shortened[0] if shortened else self.version

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


def _newest(by_processor: Mapping[str, Sequence[str]]) -> str:
    """Return the newest version that CPUs have, or whatever there is."""
    versions = by_processor.get("cpu") or next(iter(by_processor.values()))
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])
