"""The hardware a model is compiled for, and the instance types that can serve it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import ClassVar

from neo_constructs.catalog.data_tables import documented, service_model
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.typed import check_fields, typed

INSTANCE_TYPE = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class TargetDevice:
    """A value of ``OutputConfig.TargetDevice`` that a SageMaker endpoint can serve.

    Use a constant (``TargetDevice.ML_C5``), ``TargetDevice.parse`` for text from a file, or
    ``TargetDevice.of`` where the catalog has aged.

    Parameters
    ----------
    name
        The service's own name, such as ``ml_c5``.
    is_checked
        False for ``TargetDevice.of``: what the catalog says against it is then only a warning.

    Examples
    --------
    >>> TargetDevice.ML_C5.matches("ml.c5.xlarge")
    True
    >>> TargetDevice.ML_C5.processor
    'cpu'
    """

    name: str
    is_checked: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    ML_C4: ClassVar[TargetDevice]
    ML_C5: ClassVar[TargetDevice]
    ML_M4: ClassVar[TargetDevice]
    ML_M5: ClassVar[TargetDevice]
    ML_P2: ClassVar[TargetDevice]
    ML_P3: ClassVar[TargetDevice]
    ML_G4DN: ClassVar[TargetDevice]
    ML_INF1: ClassVar[TargetDevice]
    ML_INF2: ClassVar[TargetDevice]
    ML_TRN1: ClassVar[TargetDevice]

    @classmethod
    @typed
    def of(cls, name: str) -> TargetDevice:
        """Return any target by name: the escape hatch when the catalog has aged."""
        return cls(name, is_checked=False)

    @classmethod
    @typed
    def parse(cls, name: str, *, where: str = "target") -> TargetDevice:
        """Return a known target by name.

        Raises
        ------
        ValidationError
            If ``name`` is not a target that Neo compiles for and SageMaker serves.
        """
        target = cls(name)
        findings = target.check(where=where)
        if any(finding.level is Level.ERROR for finding in findings):
            raise ValidationError(findings)
        return target

    @property
    def is_known(self) -> bool:
        """Whether this release's catalog has the target."""
        return self.name in documented()["processors"]

    @property
    def processor(self) -> str:
        """``cpu``, ``gpu``, ``inf`` (Inferentia1) or ``neuronx`` (Inferentia2, Trainium).

        An unknown target is judged by its family, as the SageMaker SDK does.
        """
        known: str | None = documented()["processors"].get(self.name)
        if known:
            return known
        family = self.name.removeprefix("ml_")
        if family.startswith(("inf", "trn")):
            return "neuronx"
        return "gpu" if family.startswith(("g", "p")) else "cpu"

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The endpoint instance types of this target's family."""
        return _instance_types(self.name)

    @typed
    def matches(self, instance_type: str) -> bool:
        """Whether ``instance_type`` (``ml.c5.xlarge``) belongs to this target's family."""
        return _family(instance_type) == self.name

    def check(self, *, where: str = "target") -> list[Finding]:
        """Say what is wrong with the target itself.

        Source: AWS developer guide, page neo-supported-cloud; API reference of
        ``OutputConfig.TargetDevice`` for the names that are no cloud instances.
        """
        known = documented()["processors"]
        level = Level.ERROR if self.is_checked else Level.WARNING
        if self.name in known:
            return self._check_hardware(where)
        if self.name in service_model()["target_devices"]:
            return [
                Finding(
                    code="target-not-served",
                    level=level,
                    where=where,
                    message=(
                        f"{self.name!r} is an edge, retired or undocumented target: no SageMaker "
                        f"endpoint is known to serve it. Allowed: {listed(known)}."
                    ),
                    fix="choose a cloud instance family; edge deployment is out of scope.",
                )
            ]
        return [
            Finding(
                code="target-unknown",
                level=level,
                where=where,
                message=f"{self.name!r} is not a Neo target. Allowed: {listed(known)}.",
                fix=suggestion(self.name, known) or "choose one of the allowed targets.",
            )
        ]

    def check_instance_type(
        self, instance_type: str, *, where: str = "instance_type"
    ) -> list[Finding]:
        """Say what is wrong with serving this target on ``instance_type``.

        Rule: deploy on the instance family the model was compiled for (AWS developer guide, page
        neo-deployment-hosting-services).
        """
        allowed = self.instance_types
        if instance_type in allowed or (not allowed and self.matches(instance_type)):
            return []
        return [
            Finding(
                code="instance-type-target",
                level=Level.ERROR if self.is_checked else Level.WARNING,
                where=where,
                message=(
                    f"{instance_type!r} cannot serve a model compiled for {self.name!r}. "
                    f"Allowed: {listed(allowed)}."
                ),
                fix=suggestion(instance_type, allowed)
                or "take an instance type of the target's family, or compile for another target.",
            )
        ]

    def _check_hardware(self, where: str) -> list[Finding]:
        doubt = documented()["hardware"].get(self.name)
        if not doubt:
            return []
        return [
            Finding(
                code="target-hardware",
                level=Level.WARNING,
                where=where,
                message=(
                    f"{self.name!r} is {doubt['status']}; the API takes it, but an endpoint may "
                    "never get an instance."
                ),
                fix=f"compile for {doubt['instead']}.",
            )
        ]

    def __str__(self) -> str:
        return self.name


def check_instance_type_name(instance_type: str, *, where: str = "instance_type") -> list[Finding]:
    """Say whether any endpoint has an instance type: for a model of a target we do not know."""
    allowed = service_model()["instance_types"]
    if instance_type in allowed:
        return []
    near = suggestion(instance_type, allowed)
    return [
        Finding(
            code="instance-type-unknown",
            where=where,
            message=f"No endpoint has the instance type {instance_type!r}. "
            "Allowed: what ProductionVariantInstanceType lists, such as ml.c5.large.",
            fix=near or "choose one of the service's instance types.",
        )
    ]


for _name in documented()["processors"]:
    setattr(TargetDevice, _name.upper(), TargetDevice(_name))


@functools.cache
def _instance_types(target: str) -> tuple[str, ...]:
    """Return the endpoint instance types of a target's family; every endpoint asks for them."""
    return tuple(i for i in service_model()["instance_types"] if _family(i) == target)


def _family(instance_type: str) -> str:
    """Return the target of an instance type's family; empty if it is no instance type."""
    match = INSTANCE_TYPE.fullmatch(instance_type)
    return f"ml_{match['family']}" if match else ""
