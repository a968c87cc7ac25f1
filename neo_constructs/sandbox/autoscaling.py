"""The emulated Application Auto Scaling, as far as SageMaker's variants need it.

It keeps targets, policies and scheduled actions, and holds a variant within its target's limits.
What a policy would do by itself (its alarms, its clock) does not happen here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

import botocore.session

from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError

Parameters: TypeAlias = Mapping[str, Any]
Store: TypeAlias = MutableMapping[str, dict[str, Any]]
Call: TypeAlias = Callable[[str, Parameters], dict[str, Any]]

_INSTANCES: Final = "sagemaker:variant:DesiredInstanceCount"
_KEY: Final = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class AutoScaling:
    """What the sandbox has of Application Auto Scaling.

    Parameters
    ----------
    make_store
        Makes an empty store that tells accounts and regions apart.
    call
        Calls an operation of SageMaker's.
    arn
        Returns the ARN of a thing of a kind by its name.
    """

    def __init__(
        self, *, make_store: Callable[[], Store], call: Call, arn: Callable[[str, str], str]
    ) -> None:
        self._targets, self._policies, self._actions = make_store(), make_store(), make_store()
        self._call = call
        self._arn = arn
        self._operations: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "RegisterScalableTarget": self._register,
            "DescribeScalableTargets": self._describe_targets,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "DescribeScalingPolicies": self._describe_policies,
            "DeleteScalingPolicy": self._delete_policy,
            "PutScheduledAction": self._put_action,
            "DescribeScheduledActions": self._describe_actions,
            "DeleteScheduledAction": self._delete_action,
            "DescribeScalingActivities": lambda _: {"ScalingActivities": []},
        }

    def call(self, operation: str, parameters: Parameters) -> dict[str, Any]:
        """Answer one request.

        Raises
        ------
        ApiError
            As the service would.
        """
        if operation not in self._operations:
            message = f"The sandbox does not emulate application-autoscaling:{operation}."
            raise ApiError("UnknownOperationException", message, 501)
        requests.validate(operation, parameters, model())
        if parameters["ServiceNamespace"] != "sagemaker":
            raise _invalid("The sandbox scales variants of SageMaker's endpoints only.")
        return self._operations[operation](parameters)

    def _register(self, parameters: Parameters) -> dict[str, Any]:
        """RegisterScalableTarget: a variant outside of the limits is brought within them."""
        key = _key(parameters)
        known = self._targets.get(key, {})
        target = {"CreationTime": time.time(), **known, **parameters}
        least, most = target.get("MinCapacity"), target.get("MaxCapacity")
        if least is None or most is None:
            raise _invalid("MinCapacity and MaxCapacity are needed for a new target.")
        if least > most:
            raise _invalid("Maximum capacity cannot be less than minimum capacity.")
        endpoint, variant, count = self._variant(parameters["ResourceId"])
        arn = target.setdefault("ScalableTargetARN", self._arn("scalable-target", _id()))
        self._targets[key] = target
        within = min(max(count, least), most)
        if parameters["ScalableDimension"] == _INSTANCES and within != count:
            wanted = {"VariantName": variant, "DesiredInstanceCount": within}
            self._call(
                "UpdateEndpointWeightsAndCapacities",
                {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [wanted]},
            )
        return {"ScalableTargetARN": arn}

    def _deregister(self, parameters: Parameters) -> dict[str, Any]:
        key = _key(parameters)
        if key not in self._targets:
            raise _missing("scalable target", parameters)
        del self._targets[key]
        for store in (self._policies, self._actions):
            for name in [n for n, each in store.items() if _key(each) == key]:
                del store[name]
        return {}

    def _describe_targets(self, parameters: Parameters) -> dict[str, Any]:
        wanted = parameters.get("ResourceIds")
        found = [t for t in self._targets.values() if not wanted or t["ResourceId"] in wanted]
        keys = (*_KEY, "MinCapacity", "MaxCapacity", "RoleARN", "CreationTime", "ScalableTargetARN")
        return {
            "ScalableTargets": [
                {"RoleARN": "", **{k: each[k] for k in keys if k in each}} for each in found
            ]
        }

    def _put_policy(self, parameters: Parameters) -> dict[str, Any]:
        self._need_target(parameters)
        name = f"{_key(parameters)} {parameters['PolicyName']}"
        known = self._policies.get(name, {})
        arn = known.get("PolicyARN") or self._arn("scalingPolicy", _id())
        self._policies[name] = {**parameters, "PolicyARN": arn, "CreationTime": time.time()}
        return {"PolicyARN": arn, "Alarms": []}

    def _describe_policies(self, parameters: Parameters) -> dict[str, Any]:
        found = self._matching(self._policies, parameters)
        return {"ScalingPolicies": [{**each, "Alarms": []} for each in found]}

    def _delete_policy(self, parameters: Parameters) -> dict[str, Any]:
        return self._delete(self._policies, "PolicyName", "scaling policy", parameters)

    def _put_action(self, parameters: Parameters) -> dict[str, Any]:
        self._need_target(parameters)
        name = f"{_key(parameters)} {parameters['ScheduledActionName']}"
        arn = self._arn("scheduledAction", _id())
        self._actions[name] = {
            **parameters,
            "ScheduledActionARN": arn,
            "CreationTime": time.time(),
        }
        return {}

    def _describe_actions(self, parameters: Parameters) -> dict[str, Any]:
        return {"ScheduledActions": self._matching(self._actions, parameters)}

    def _delete_action(self, parameters: Parameters) -> dict[str, Any]:
        return self._delete(self._actions, "ScheduledActionName", "scheduled action", parameters)

    def _delete(
        self, store: Store, name_key: str, what: str, parameters: Parameters
    ) -> dict[str, Any]:
        name = f"{_key(parameters)} {parameters[name_key]}"
        if name not in store:
            raise _missing(what, parameters)
        del store[name]
        return {}

    def _matching(self, store: Store, parameters: Parameters) -> list[dict[str, Any]]:
        wanted = {k: v for k, v in parameters.items() if k in _KEY}
        return [each for each in store.values() if all(each.get(k) == v for k, v in wanted.items())]

    def _need_target(self, parameters: Parameters) -> None:
        if _key(parameters) not in self._targets:
            raise _missing("scalable target", parameters)

    def _variant(self, resource_id: str) -> tuple[str, str, int]:
        """Return endpoint, variant and its number of instances, by ``endpoint/../variant/..``."""
        parts = resource_id.split("/")
        if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant":
            raise _invalid(f"Unsupported service namespace, resource type or id: {resource_id}.")
        _, endpoint, _, name = parts
        try:
            found = self._call("DescribeEndpoint", {"EndpointName": endpoint})
        except ApiError as error:
            raise _invalid(f"Could not find {resource_id}: {error}") from error
        for each in found.get("ProductionVariants", []):
            if each["VariantName"] == name:
                return endpoint, name, int(each.get("DesiredInstanceCount", 1))
        raise _invalid(f"Could not find the variant {name} of {endpoint}.")


def model() -> Any:
    """Return botocore's model of Application Auto Scaling."""
    return botocore.session.get_session().get_service_model("application-autoscaling")


def _key(parameters: Parameters) -> str:
    return " ".join(str(parameters.get(each)) for each in _KEY)


def _id() -> str:
    return uuid.uuid4().hex


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _missing(what: str, parameters: Parameters) -> ApiError:
    place = " and ".join(f"{key} {parameters.get(key)}" for key in _KEY)
    return ApiError("ObjectNotFoundException", f"No {what} found for {place}.")
