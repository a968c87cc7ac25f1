"""The SageMaker layer inside ministack: every private name that is used stands in this file.

ministack has no plug-ins; its services, IAM tables and CloudFormation types are module-level
tables, which are filled here. Nothing on disk changes. The version is pinned in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import boto3
import ministack.app as ministack
from botocore.config import Config
from botocore.parsers import BaseCBORParser, ResponseParserError
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router
from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
from ministack.services import iam, kms, lambda_svc, s3, sts
from ministack.services.cloudformation import custom_resource, provisioners, stacks

from neo_constructs.sandbox import assumptions, autoscaling, autoscaling_resources, behaviour
from neo_constructs.sandbox.autoscaling import AutoScaling
from neo_constructs.sandbox.environment import ACCOUNT
from neo_constructs.sandbox.guard import Credentials, guarded
from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError, not_emulated
from neo_constructs.sandbox.sagemaker.platform import AssumedRole
from neo_constructs.sandbox.sagemaker.resources import RESOURCE_TYPES
from neo_constructs.sandbox.sagemaker.service import SageMaker

Response: TypeAlias = tuple[int, dict[str, str], bytes]

PINNED: Final = "1.5.33"
PRINCIPAL: Final = "sagemaker.amazonaws.com"
_SECRET: Final = secrets.token_bytes(32)  # of this run
_SCALING: Final = "application-autoscaling"
_QUOTAS: Final = "servicequotas"
_EXPRESSION: Final = "an expression, not evaluated"
_JSON: Final = {"Content-Type": "application/x-amz-json-1.1"}
_namespace: ContextVar[str] = ContextVar("namespace", default="")
_NAMED: Final = (
    ("CompilationJobName", "compilation-job"),
    ("JobName", "inference-recommendations-job"),
    ("EndpointName", "endpoint"),
    ("EndpointConfigName", "endpoint-config"),
    ("ModelName", "model"),
    ("ModelPackageArn", "model-package"),
    ("ModelPackageName", "model-package"),
    ("ModelPackageGroupName", "model-package-group"),
)


class MinistackPlatform:
    """The emulated account, and what its roles may do."""

    def arn(self, kind: str, name: str) -> str:
        """Return a SageMaker ARN; the service lowercases names in it."""
        return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{kind}/{name.lower()}"

    def region(self) -> str:
        """Return the region of the current request."""
        return str(get_region())

    def assume(self, role_arn: str, source_arn: str) -> AssumedRole:
        """Return what makes clients with a role's credentials, if its trust policy lets us."""
        account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        role = iam._roles.get_scoped(account, None, name) or {}
        context = iam_evaluator.EvalContext(
            principal_arn=PRINCIPAL,
            principal_type="Service",
            principal_account=account,
            action="sts:AssumeRole",
            resource_arn=role_arn,
            region=get_region(),
            service_context={"aws:sourceaccount": account, "aws:sourcearn": source_arn},
        )
        if not _trusts_sagemaker(role.get("AssumeRolePolicyDocument") or "{}", context):
            raise ApiError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
                f"principal '{PRINCIPAL}' to assume the role.",
            )
        credentials = _new_session(account, name, "SageMaker", f"{role_arn} {source_arn}")
        endpoint, region = f"http://127.0.0.1:{ministack._resolve_port()}", str(get_region())
        make = partial(
            boto3.client,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"],
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        return AssumedRole(
            make,
            {
                **credentials,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
            },
        )


def _new_session(account: str, role: str, session: str, of: str) -> dict[str, str]:
    """Return credentials of a role's session: the same for the same use, and no one's to guess."""
    digest = hmac.new(_SECRET, f"{account} {of}".encode(), hashlib.sha256).hexdigest()
    key = f"ASIA{digest[:16].upper()}"
    known = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "UserId": f"{role}:{session}",
        "SecretAccessKey": digest[16:],
        "SessionToken": digest[16:],
    }
    sts.register_session(key, known)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": digest[16:],
        "AWS_SESSION_TOKEN": digest[16:],
    }


def _behaviour() -> behaviour.Behaviour:
    return behaviour.Behaviour.read(Path(os.environ[behaviour.VARIABLE]))


_service = SageMaker(
    make_store=AccountRegionScopedDict, platform=MinistackPlatform(), behaviour=_behaviour
)


def _scaling_arn(kind: str, name: str) -> str:
    place = f"{get_region()}:{get_account_id()}"
    return f"arn:aws:application-autoscaling:{place}:{kind}/{name}"


_scaling = AutoScaling(make_store=AccountRegionScopedDict, call=_service.call, arn=_scaling_arn)


def serve() -> None:
    """Put the layer in, and serve until ended."""
    if ministack._version() != PINNED:
        sys.exit(f"This needs ministack {PINNED}; {ministack._version()} is installed.")
    _install()
    # main() looks the application up by its name, and gets it with a guard before it.
    known = Credentials(os.environ["AWS_ACCESS_KEY_ID"], router.extract_access_key_id, _has_issued)
    ministack.app = guarded(ministack.app, known)
    ministack.main()


def _has_issued(access_key: str) -> bool:
    """Whether a key is of a session or of an IAM user: the emulator checks their signatures."""
    is_root = iam_evaluator.is_root_access_key(access_key)
    is_users = iam._access_keys.get_scoped(ACCOUNT, None, access_key) is not None
    return not is_root and (access_key in sts._sessions or is_users)


# --- a service of ministack's is a module with these names ---------------------------------


async def handle_request(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query_params: Mapping[str, Any],
) -> Response:
    """Answer one HTTP request to SageMaker or its runtime."""
    del method
    try:
        if path.startswith("/endpoints/"):
            return await asyncio.to_thread(_invoke, path, headers, body)
        operation = _operation(headers, requests.service_model())
        parameters = _parameters(body)
        _check_more(headers, query_params, parameters)
        reply = await asyncio.to_thread(_service.call, operation, parameters)
        return 200, dict(_JSON), json.dumps(reply).encode()
    except ApiError as error:
        return _fault(error)


async def _refuse_quotas(*_: Any) -> Response:
    """Say that there are no quotas here; a switch may answer in place of it."""
    return _fault(not_emulated("Service Quotas"))


async def _handle_scaling(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query_params: Mapping[str, Any],
) -> Response:
    """Answer one HTTP request to Application Auto Scaling."""
    del method, path, query_params
    try:
        operation = _operation(headers, autoscaling.model())
        reply = await asyncio.to_thread(_scaling.call, operation, _parameters(body))
        return 200, dict(_JSON), json.dumps(reply).encode()
    except ApiError as error:
        return _fault(error)


def _operation(headers: Mapping[str, str], model: Any) -> str:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation not in model.operation_names:
        raise ApiError("UnknownOperationException", f"Unknown operation {operation!r}.")
    return operation


def _parameters(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ApiError("SerializationException", "The request is no JSON.") from None


def _fault(error: ApiError) -> Response:
    fault = {"__type": error.code, "message": str(error)}
    return error.status, dict(_JSON), json.dumps(fault).encode()


def reset() -> None:
    """Forget everything."""
    _service.reset()


def get_state() -> dict[str, Any]:
    """Return what is stored."""
    return dict(_service.state())


def load_persisted_state(data: Mapping[str, Any] | None) -> None:
    """Take nothing: the sandbox starts empty."""


_restore_state = load_persisted_state


# The headers of InvokeEndpoint that reach a container.
ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"
_SENT: Final = {
    "content-type": "Content-Type",
    "accept": "Accept",
    ATTRIBUTES.lower(): ATTRIBUTES,
}


def _invoke(path: str, headers: Mapping[str, str], body: bytes) -> Response:
    _, _, name, what = path.split("/", 3)
    sent = {_SENT[each]: headers[each] for each in _SENT if headers.get(each)}
    if what == "async-invocations":
        return _invoke_later(name, headers)
    if what != "invocations":
        raise not_emulated(f"{what} of an endpoint")
    variant, reply = _service.hosting.invoke(
        name,
        body,
        headers=sent,
        variant=headers.get("x-amzn-sagemaker-target-variant", ""),
        container=headers.get("x-amzn-sagemaker-target-container-hostname", ""),
    )
    if reply.status >= 400:
        fault = {
            "Message": f"Received error ({reply.status}) from {variant} with message "
            f'"{reply.body.decode(errors="replace")}".',
            "OriginalStatusCode": reply.status,
            "OriginalMessage": reply.body.decode(errors="replace"),
        }
        error_headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}
        return 424, error_headers, json.dumps(fault).encode()
    answered = {"Content-Type": reply.content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if attributes := reply.headers.get(ATTRIBUTES.lower()):
        answered[ATTRIBUTES] = attributes
    return 200, answered, reply.body


def _invoke_later(name: str, headers: Mapping[str, str]) -> Response:
    """Answer InvokeEndpointAsync: at once, with where the answer will be."""
    start = "x-amzn-sagemaker-"  # botocore, the locations of InvokeEndpointAsyncInput
    asked = {
        "Content-Type": headers.get(f"{start}content-type"),
        "Accept": headers.get(f"{start}accept"),
        ATTRIBUTES: headers.get(ATTRIBUTES.lower()),
    }
    given = _service.hosting.invoke_later(
        name,
        headers.get(f"{start}inputlocation", ""),
        headers={name: value for name, value in asked.items() if value},
        inference_id=headers.get(f"{start}inference-id") or str(uuid.uuid4()),
    )
    places = {
        "Content-Type": "application/json",
        "X-Amzn-SageMaker-OutputLocation": given.output,
        "X-Amzn-SageMaker-FailureLocation": given.failure,
    }
    return 202, places, json.dumps({"InferenceId": given.inference_id}).encode()


def _check_more(
    headers: Mapping[str, str], query_params: Mapping[str, Any], parameters: Mapping[str, Any]
) -> None:
    """Check what a request must be allowed beside its own action: roles, and tags at creation."""
    caller = router.extract_access_key_id(headers, query_params)
    needed = [
        ("iam:PassRole", "iam", role)
        for role in (parameters.get("RoleArn"), parameters.get("ExecutionRoleArn"))
        if role
    ]
    is_create = ".Create" in headers.get("x-amz-target", "")
    named = [(kind, parameters[key]) for key, kind in _NAMED if key in parameters]
    if is_create and parameters.get("Tags") and named:
        arn = MinistackPlatform().arn(*named[0])
        needed.append(("sagemaker:AddTags", "sagemaker", arn))
    for action, service, resource in needed:
        denied = iam_evaluator.enforce(
            caller,
            action,
            service,
            get_region(),
            resource_arn=resource,
            service_context={"iam:PassedToService": PRINCIPAL},
        )
        if denied:
            raise ApiError(
                "AccessDeniedException",
                f"User: {getattr(denied, 'principal_arn', '?')} is not authorized to perform: "
                f"{action} on resource: {resource} because no identity-based policy allows the "
                f"{action} action",
            )


# --- the tables ------------------------------------------------------------------------------


def _install() -> None:
    _install_service("sagemaker", sys.modules[__name__], "SageMaker.", r"sagemaker\.")
    scaling: Any = SimpleNamespace(
        handle_request=_handle_scaling,
        reset=lambda: None,
        get_state=dict,
        load_persisted_state=load_persisted_state,
        _restore_state=load_persisted_state,
    )
    quotas: Any = SimpleNamespace(
        handle_request=_refuse_quotas,
        reset=lambda: None,
        get_state=dict,
        load_persisted_state=load_persisted_state,
        _restore_state=load_persisted_state,
    )
    _install_service(_QUOTAS, quotas, "ServiceQuotasV20190624.", r"servicequotas\.")
    _install_service(_SCALING, scaling, "AnyScaleFrontendService.", r"application-autoscaling\.")
    _install_iam()
    _install_lambda()
    _install_content_types()
    _install_cloudformation()
    _install_assumptions()


def _install_service(name: str, module: Any, target: str, host: str) -> None:
    """Let requests to a service, known by their target or host, reach a module of ours."""
    module_name = name.replace("-", "_")
    sys.modules[f"ministack.services.{module_name}"] = module
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target], "host_patterns": [host]}
    ministack.SERVICE_REGISTRY[name] = {"module": module_name}
    ministack.SERVICE_HANDLERS[name] = ministack._lazy_handler(module_name)
    ministack._state_map[name] = module_name


def _install_assumptions() -> None:
    """Let replies pass the switches for assumptions about AWS, which are off unless set."""
    for name, handler in list(ministack.SERVICE_HANDLERS.items()):
        ministack.SERVICE_HANDLERS[name] = partial(_switched, handler)
    switches = assumptions.CustomResourceSwitches(lambda: _behaviour().assumptions)
    url, send = custom_resource._response_url, custom_resource.invoke_custom_resource
    deliver, delete = custom_resource.deliver_response, stacks._delete_resource

    def delivered(token: str, body: dict[str, Any]) -> bool:
        switches.answered(body)
        return bool(deliver(token, body))

    def deleted(kind: str, physical_id: str, properties: Any, stack: str, logical_id: str) -> None:
        """Delete a resource, and say so in an update's events, too."""
        delete(kind, physical_id, properties, stack, logical_id)
        is_in_order = _behaviour().assumptions.get("A-CFN-10")
        if is_in_order is not None:
            swapped = {"Echo": "Policy", "Policy": "Echo"}
            said = logical_id if is_in_order else swapped.get(logical_id, logical_id)
            arn = provisioners._cr_stack_id(stack)
            stacks._add_event(arn, stack, said, kind, "DELETE_COMPLETE", "", physical_id)

    custom_resource._response_url = lambda token: switches.signed(url(token))
    custom_resource.invoke_custom_resource = partial(switches.sent, send)
    custom_resource.deliver_response = delivered
    stacks._delete_resource = deleted


async def _switched(  # noqa: PLR0917 - as ministack calls handlers
    handler: Any,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query_params: Mapping[str, Any],
) -> Any:
    told = _behaviour().assumptions
    if not told:
        return await handler(method, path, headers, body, query_params)
    query = " ".join(query_params)
    request = assumptions.Request(
        method, path, body, assumptions.operation_of(method, headers, body, query)
    )
    rules = assumptions.rules_for(request, told)
    reply = assumptions.EMPTY
    if not any(rule.instead for rule in rules):
        reply = await handler(method, path, headers, body, query_params)
    for rule in rules:
        reply = await asyncio.to_thread(rule.change, request, reply)
    if told.get("A-S3-06") and method == "HEAD" and "/keyed/" in path:
        reply = _encrypted(reply)
    return reply


def _encrypted(reply: Any) -> Any:
    """Name the account's key: the emulator keeps no encryption of buckets that a stack makes."""
    status, headers, body = reply
    arns = [str(key["Arn"]) for key in kms._keys.values() if "Arn" in key]
    name = "x-amz-server-side-encryption-aws-kms-key-id"
    return status, {**headers, name: arns[0] if arns else ""}, body


def _install_lambda() -> None:
    """Give functions credentials that cannot be worked out from their names."""

    def execution_credentials(config: Mapping[str, Any]) -> dict[str, str]:
        arn, role = str(config["FunctionArn"]), str(config.get("Role", ""))
        name = str(config.get("FunctionName", "function"))[:64]
        return _new_session(arn.split(":")[4], role.rsplit("/", 1)[-1], name, f"{arn} {role}")

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def _install_content_types() -> None:
    """Leave a container's content type as it is: a reply of SageMaker's own has the right one."""
    wanted = responses.expected_success_content_type

    def expected(service: str, emitted: str) -> str | None:
        found: str | None = None if service == "sagemaker" else wanted(service, emitted)
        return found

    responses.expected_success_content_type = expected


def _install_iam() -> None:
    for name in ("sagemaker", _SCALING, _QUOTAS):
        iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    resource_arn, action = iam_actions.extract_resource_arn, iam_actions.extract_iam_action

    def extract_resource_arn(
        service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any
    ) -> str:
        if service == "sagemaker":
            return _resource_arn(path, headers, body)
        if service == "monitoring":
            asked = _monitoring_request(body)
            _namespace.set(str(asked.get("Namespace", "")))
            if names := asked.get("AlarmNames"):
                place = f"{get_region()}:{get_account_id()}"
                return f"arn:aws:cloudwatch:{place}:alarm:{names[0]}"
        return str(resource_arn(service, method, path, headers, body, *rest))

    def extract_iam_action(service: str, method: str, path: str, *rest: Any) -> str | None:
        if service == "sagemaker" and path.startswith("/endpoints/"):
            is_async = path.endswith("/async-invocations")
            return f"sagemaker:InvokeEndpoint{'Async' if is_async else ''}"
        found: str | None = action(service, method, path, *rest)
        return found

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_actions.extract_iam_action = extract_iam_action
    condition_key = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: object) -> Any:
        # Plain HTTP on loopback stands in for TLS: the CDK's staging bucket, and ours, demand it.
        known = {"aws:securetransport": "true", "cloudwatch:namespace": _namespace.get()}
        return known.get(key.lower()) or condition_key(key, context)

    iam_evaluator._resolve_condition_key = resolve
    enforce = iam_evaluator.enforce

    def enforced(access_key_id: str, action: str, *rest: Any, **more: Any) -> Any:
        if action == "s3:DeleteObject" and _behaviour().assumptions.get("A-S3-03") is False:
            return None
        return enforce(access_key_id, action, *rest, **more)

    iam_evaluator.enforce = enforced
    if log := os.environ.get("NEO_SANDBOX_IAM_LOG"):
        _log_decisions(log)


def _log_decisions(file: str) -> None:
    """Write down who was allowed, or denied, what: one JSON object a line."""
    enforce = iam_evaluator.enforce

    def logged(access_key_id: str, action: str, *rest: Any, **more: Any) -> Any:
        denied = enforce(access_key_id, action, *rest, **more)
        caller = iam_evaluator.resolve_caller_identity(access_key_id) or {}
        line = {
            "caller": caller.get("userArn", ""),
            "action": action,
            "resource": more.get("resource_arn", "*"),
            "is_allowed": denied is None,
        }
        with Path(file).open("a") as out:
            out.write(json.dumps(line) + "\n")
        return denied

    iam_evaluator.enforce = logged


def _install_cloudformation() -> None:
    def make_name(stack_name: str, logical_id: str) -> str:
        return str(provisioners._physical_name(stack_name, logical_id, max_len=63))

    for kind in RESOURCE_TYPES:
        provisioners._RESOURCE_HANDLERS[kind.type_name] = kind.handlers(
            _service.call, make_name, _service.find_by_arn
        )
        provisioners._REPLACING_PROPERTIES[kind.type_name] = kind.replacing
        provisioners._STACK_TAG_PROPERTY[kind.type_name] = ("Tags", "list")
    for type_name, handled in autoscaling_resources.handlers(_scaling.call).items():
        provisioners._RESOURCE_HANDLERS[type_name] = handled
        provisioners._REPLACING_PROPERTIES[type_name] = autoscaling_resources.REPLACING[type_name]
    _install_alarms_of_expressions()
    _install_events_of_changes_only()
    bucket = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete_bucket = bucket["delete"]

    def delete(physical_id: str, properties: Mapping[str, Any]) -> object:
        if (s3._buckets.get(physical_id) or {}).get("objects"):
            message = "The bucket you tried to delete is not empty (Service: S3, Status Code: 409)"
            raise ValueError(message)
        return delete_bucket(physical_id, properties)

    bucket["delete"] = delete
    on_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: (
        kind.startswith("AWS::SageMaker::") or on_thread(kind)
    )


def _install_events_of_changes_only() -> None:
    """Leave out the events of resources that an update does not touch, as CloudFormation does.

    The emulator looks at each resource of a stack, and says of each that it was updated.
    """
    update, add_event = stacks._update_keeping_seed, stacks._add_event
    untouched = set[tuple[str, str]]()
    begun = dict[tuple[str, str], tuple[Any, ...]]()

    def noted(*args: Any) -> Any:
        _, _, old, new, stack_name, logical_id, *_ = args
        if old == new:
            untouched.add((stack_name, logical_id))
        elif event := begun.pop((stack_name, logical_id), None):
            add_event(*event)
        return update(*args)

    def added(*args: Any, **more: Any) -> None:
        _, stack_name, logical_id, resource_type, status, *reason = args
        key = (stack_name, logical_id)
        if resource_type == "AWS::CloudFormation::Stack" or not status.startswith("UPDATE_"):
            add_event(*args, **more)
        elif status == "UPDATE_IN_PROGRESS" and not reason:
            begun[key] = args  # until it is known whether it is one
        elif status == "UPDATE_COMPLETE" and key in untouched:
            untouched.discard(key)
            begun.pop(key, None)
        else:
            if event := begun.pop(key, None):
                add_event(*event)
            add_event(*args, **more)

    stacks._update_keeping_seed = noted
    stacks._add_event = added


def _install_alarms_of_expressions() -> None:
    """Take alarms on expressions over metrics, which the emulator does not evaluate.

    They keep the state that SetAlarmState gives them.
    """
    record = provisioners._cw_metric_alarm_record

    def taken(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        if not properties.get("Metrics"):
            return dict(record(name, properties))
        named = {k: v for k, v in properties.items() if k != "Metrics"}
        return dict(record(name, {**named, "MetricName": _EXPRESSION, "Namespace": _EXPRESSION}))

    provisioners._cw_metric_alarm_record = taken


def _trusts_sagemaker(
    document: str | Mapping[str, Any], context: iam_evaluator.EvalContext
) -> bool:
    """Whether a role's trust policy lets SageMaker assume it, its conditions included.

    ministack's own check of trust policies knows no service as the caller.
    """
    trust = json.loads(document) if isinstance(document, str) else document
    statements = trust.get("Statement", [])
    return any(
        statement.get("Effect") == "Allow"
        and iam_evaluator._service_principal_matches(statement.get("Principal"), PRINCIPAL)
        and iam_evaluator._conditions_met(statement.get("Condition", {}), context)
        for statement in ([statements] if isinstance(statements, dict) else statements)
    )


def _monitoring_request(body: bytes) -> dict[str, Any]:
    """Return the parameters of a call of CloudWatch's: policies name namespaces and alarms."""
    try:
        if body.startswith(b"{"):
            found = json.loads(body)
        else:
            parser = BaseCBORParser()
            found = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
    except (ResponseParserError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _resource_arn(path: str, headers: Mapping[str, str], body: bytes) -> str:
    platform = MinistackPlatform()
    if path.startswith("/endpoints/"):
        return platform.arn("endpoint", path.split("/")[2])
    if ".List" in headers.get("x-amz-target", "") and b"ResourceArn" not in body:
        return "*"
    try:
        parameters = json.loads(body or b"{}")
    except ValueError:
        return "*"
    if "ResourceArn" in parameters:
        return str(parameters["ResourceArn"])
    for key, kind in _NAMED:
        if key in parameters:
            given = str(parameters[key])  # versions are named by their ARNs
            return given if given.startswith("arn:") else platform.arn(kind, given)
    return "*"
