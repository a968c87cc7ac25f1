"""The hardware a model is compiled for, and the instance types that can serve it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from neo_constructs.catalog.tables import documented, service_model
from neo_constructs.errors import ValidationError
from neo_constructs.findings import Finding, listed, suggestion

INSTANCE_TYPE = re.compile(r"ml\.(?P<family>[a-z0-9-]+)\.[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class TargetDevice:
    """A value of ``OutputConfig.TargetDevice`` that a SageMaker endpoint can serve.

    Use a constant (``TargetDevice.ML_C5``), ``TargetDevice.parse`` for text from a file, or
    ``TargetDevice.of`` for a target that this release does not know yet.

    Parameters
    ----------
    name
        The service's own name, such as ``ml_c5``.

    Examples
    --------
    >>> TargetDevice.ML_C5.matches("ml.c5.xlarge")
    True
    >>> TargetDevice.ML_C5.processor
    'cpu'
    """

    name: str

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
    def of(cls, name: str) -> TargetDevice:
        """Return a target by name, known or not.

        The escape hatch: what this release's catalog says about an unknown target is a warning.
        """
        return cls(name)

    @classmethod
    def parse(cls, name: str, *, where: str = "target") -> TargetDevice:
        """Return a known target by name.

        Raises
        ------
        ValidationError
            If ``name`` is not a target that Neo compiles for and SageMaker serves.
        """
        known = documented()["processors"]
        if name in known:
            return cls(name)
        if name in service_model()["target_devices"]:
            message = (
                f"{name!r} is an edge or retired target: SageMaker cannot serve what is compiled "
                f"for it. Allowed: {listed(known)}."
            )
            raise ValidationError(
                [
                    Finding(
                        code="target-not-served",
                        where=where,
                        message=message,
                        fix="choose a cloud instance family; edge deployment is out of scope.",
                    )
                ]
            )
        raise ValidationError(
            [
                Finding(
                    code="target-unknown",
                    where=where,
                    message=f"{name!r} is not a Neo target. Allowed: {listed(known)}.",
                    fix=suggestion(name, known) or "choose one of the allowed targets.",
                )
            ]
        )

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
        return tuple(i for i in service_model()["instance_types"] if self.matches(i))

    def matches(self, instance_type: str) -> bool:
        """Whether ``instance_type`` (``ml.c5.xlarge``) belongs to this target's family."""
        match = INSTANCE_TYPE.fullmatch(instance_type)
        return bool(match) and f"ml_{match['family']}" == self.name if match else False

    def check_instance_type(
        self, instance_type: str, *, where: str = "instance_type"
    ) -> list[Finding]:
        """Say what is wrong with serving this target on ``instance_type``.

        Rule: deploy on the instance family the model was compiled for (AWS developer guide, page
        neo-deployment-hosting-services).
        """
        if self.matches(instance_type):
            return []
        allowed = self.instance_types
        return [
            Finding(
                code="instance-type-target",
                where=where,
                message=(
                    f"{instance_type!r} cannot serve a model compiled for {self.name!r}. "
                    f"Allowed: {listed(allowed)}."
                ),
                fix=suggestion(instance_type, allowed)
                or "take an instance type of the target's family, or compile for another target.",
            )
        ]

    def __str__(self) -> str:
        return self.name


for _name in documented()["processors"]:
    setattr(TargetDevice, _name.upper(), TargetDevice(_name))
