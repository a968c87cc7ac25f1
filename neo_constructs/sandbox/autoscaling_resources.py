"""CloudFormation's handlers for scalable targets and their policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from neo_constructs.sandbox.autoscaling import model
from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError

Properties: TypeAlias = Mapping[str, Any]
Call: TypeAlias = Callable[[str, Mapping[str, Any]], dict[str, Any]]
Made: TypeAlias = tuple[str, dict[str, str]]

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
REPLACING = {
    TARGET: ("ResourceId", "ScalableDimension", "ServiceNamespace"),
    POLICY: (
        "PolicyName",
        "ResourceId",
        "ScalableDimension",
        "ServiceNamespace",
        "ScalingTargetId",
    ),
}
_PLACE = ("ResourceId", "ScalableDimension", "ServiceNamespace")


def handlers(call: Call) -> dict[str, dict[str, Any]]:
    """Return create, update and delete of both types, in the emulator's signatures."""
    return {
        TARGET: _handlers(_Targets(call)),
        POLICY: _handlers(_Policies(call)),
    }


class _Targets:
    """Scalable targets: their id is made of what tells them apart, as CloudFormation's is."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def put(self, properties: Properties) -> Made:
        operation = "RegisterScalableTarget"
        # CloudFormation lists tags, and the API takes them as a map.
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
        given = {**properties, "Tags": tags} if tags else properties
        _translated(self._call, operation, _parameters(operation, given))
        place = {key: properties[key] for key in _PLACE}
        for action in properties.get("ScheduledActions", []):
            operation = "PutScheduledAction"
            _translated(self._call, operation, _parameters(operation, {**place, **action}))
        physical = "|".join(str(place[key]) for key in _PLACE)
        return physical, {"Id": physical}

    def delete(self, physical_id: str) -> None:
        place = dict(zip(_PLACE, physical_id.split("|"), strict=True))
        self._call("DeregisterScalableTarget", place)


class _Policies:
    """Policies of a target, which ``ScalingTargetId`` names."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def put(self, properties: Properties) -> Made:
        given = dict(properties)
        if target := given.pop("ScalingTargetId", None):
            given |= dict(zip(_PLACE, target.split("|"), strict=True))
        operation = "PutScalingPolicy"
        reply = _translated(self._call, operation, _parameters(operation, given))
        # Ref is the ARN, which alarms name as what they do.
        return reply["PolicyARN"], {"Arn": reply["PolicyARN"], "Id": reply["PolicyARN"]}

    def delete(self, physical_id: str) -> None:
        found = self._call("DescribeScalingPolicies", {"ServiceNamespace": "sagemaker"})
        for each in found["ScalingPolicies"]:
            if each["PolicyARN"] == physical_id:
                keys = ("PolicyName", *_PLACE)
                self._call("DeleteScalingPolicy", {key: each[key] for key in keys})


def _handlers(kind: _Targets | _Policies) -> dict[str, Any]:
    def create(_logical_id: str, properties: Properties, _stack_name: str) -> Made:
        return kind.put(properties)

    def update(
        _physical_id: str, _old: Properties, new: Properties, _stack_name: str, _logical_id: str
    ) -> Made:
        return kind.put(new)

    def delete(physical_id: str, _properties: Properties) -> None:
        try:
            kind.delete(physical_id)
        except ApiError as error:
            if error.code != "ObjectNotFoundException":
                raise ValueError(str(error)) from error

    return {"create": create, "update": update, "delete": delete, "update_with_logical_id": True}


def _parameters(operation: str, properties: Properties) -> dict[str, Any]:
    """Return the properties that an operation takes, in the API's types."""
    shape = model().operation_model(operation).input_shape
    taken: dict[str, Any] = requests.coerce(
        shape, {k: v for k, v in properties.items() if k in shape.members}
    )
    return taken


def _translated(call: Call, operation: str, parameters: Properties) -> dict[str, Any]:
    try:
        return call(operation, parameters)
    except ApiError as error:
        raise ValueError(
            f"{error} (Service: ApplicationAutoScaling; Status Code: {error.status}; "
            f"Error Code: {error.code})"
        ) from error
