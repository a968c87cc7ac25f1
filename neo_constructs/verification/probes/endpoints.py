"""What is taken for granted of the serving containers: each family's endpoint is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from neo_constructs.verification import ledger
from neo_constructs.verification.answers import Answer, compared, differs, held, unknown
from neo_constructs.verification.costs import DOLLARS_PER_HOUR
from neo_constructs.verification.digits import EXPECTED, IMAGES
from neo_constructs.verification.kit import CannotSayError, Kit
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import is_of_container, judged
from neo_constructs.verification.stack_names import MXNET, ONNX, PYTORCH, TENSORFLOW, XGBOOST

Reply = dict[str, Any]
JSON: Final = "application/json"
_SCRIPTS: Final = (PYTORCH, MXNET, TENSORFLOW)
_NO_FRAMEWORK: Final = "NEO_SANDBOX_PYTHON"
_CLOSE: Final = 1e-3  # Neo may round otherwise
_NAMES: Final = {"SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"}
_OLDEST, _NEWEST = (3, 6), (3, 10)


class ContainerFailedError(CannotSayError):
    """A container answers with an error."""


def ask(kit: Kit, stack: str, body: bytes, content_type: str = JSON, **more: str) -> Reply:
    """Return what an endpoint answers, parsed.

    Raises
    ------
    ContainerFailedError
        If its container answers with an error.
    """
    endpoint = kit.output("EndpointName", stack=stack)
    try:
        reply = kit.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType=content_type, **more
        )
    except ClientError as error:
        judged(error)
        if _NO_FRAMEWORK in str(error):
            raise CannotSayError(f"{stack} has no framework in this sandbox: {error}") from None
        raise ContainerFailedError(f"{stack} answers with an error: {error}") from None
    found = json.loads(reply["Body"].read())
    return found if isinstance(found, dict) else {"answer": found}


def called(kit: Kit, stack: str, body: bytes = b"", content_type: str = JSON, **more: str) -> Reply:
    """Return how an endpoint's script says that it was called."""
    found = answered(kit, stack, body, content_type, **more)
    if "called" not in found:
        raise CannotSayError(f"{stack} is not served by the script of the kit.")
    return dict(found["called"])


def answered(kit: Kit, stack: str, body: bytes = b"", type_: str = JSON, **more: str) -> Reply:
    """Return what an endpoint answers to a body, or to the first image."""
    return ask(kit, stack, body or json.dumps(IMAGES[0]).encode(), type_, **more)


def digits(kit: Kit, stack: str) -> dict[str, Any]:
    """Return how far an endpoint's answers are from the trained model's, image by image."""

    def asked() -> dict[str, Any]:
        scores = [ask(kit, stack, json.dumps(image).encode())["scores"] for image in IMAGES]
        away = [
            max((abs(a - b) for a, b in zip(found, wanted, strict=False)), default=1.0)
            for found, wanted in zip(scores, EXPECTED, strict=True)
        ]
        return {"images": len(IMAGES), "off_by": max(away), "scores": scores}

    return kit.once(f"digits of {stack}", asked)


def script_is_fetched(kit: Kit) -> Answer:
    """Invoke the ONNX endpoint, and see that its script answers (A-NEO-03)."""
    found = answered(kit, ONNX)
    said = "The endpoint answers by the script in its archive."
    return compared("called" in found, said, answer=found)


def isolation(kit: Kit) -> Answer:
    """Serve the ONNX model with network isolation, which must fail (A-NEO-04)."""
    name, instance_type = _model_like_onnx(kit, "isolated", EnableNetworkIsolation=True)
    on_instance = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": instance_type,
        "InitialInstanceCount": 1,
    }
    status = _served(kit, name, on_instance)
    said = f"With network isolation the endpoint of the ONNX model is {status['EndpointStatus']}."
    return _of_status(status, said, is_assumed_to_start=False)


def _model_like_onnx(kit: Kit, of: str, **changes: Any) -> tuple[str, str]:
    """Return the name of a new model as the ONNX endpoint has it, and that one's instance type."""
    sagemaker = kit.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=kit.output("EndpointName", stack=ONNX))
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = config["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    given = model["PrimaryContainer"]
    name = kit.note(ledger.MODEL, kit.name(of))
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={key: given[key] for key in ("Image", "ModelDataUrl", "Environment")},
        ExecutionRoleArn=model["ExecutionRoleArn"],
        Tags=kit.tags,
        **changes,
    )
    return name, str(variant["InstanceType"])


def _of_status(status: Reply, said: str, *, is_assumed_to_start: bool) -> Answer:
    """Return an answer, unless the endpoint has failed for something else than its container."""
    reason = str(status.get("FailureReason", ""))
    is_started = status["EndpointStatus"] == "InService"
    if not is_started and not is_of_container(reason):
        return unknown(f"{said} {reason}", reason=reason)
    return compared(is_started is is_assumed_to_start, f"{said} {reason}", reason=reason)


def _served(kit: Kit, name: str, variant: Reply) -> Reply:
    """Return how an endpoint with one variant is described once it has settled."""
    sagemaker = kit.client("sagemaker")
    kit.note(ledger.ENDPOINT_CONFIG, name)
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], Tags=kit.tags
    )
    kit.note(ledger.ENDPOINT, name)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=kit.tags)

    def settled() -> Reply | None:
        found = dict(sagemaker.describe_endpoint(EndpointName=name))
        return None if found["EndpointStatus"] == "Creating" else found

    return kit.wait(settled, seconds=3_000, what=f"The endpoint {name}", pause=15)


def script_in_archive(kit: Kit) -> Answer:
    """Invoke three endpoints, and see that their scripts answer (A-NEO-05)."""
    seen, wrong = dict[str, Any](), list[str]()
    for stack in _SCRIPTS:
        if stack in kit.missing:
            seen[stack] = kit.missing[stack].why
            wrong += [stack] if kit.missing[stack].is_containers else []
            continue
        try:
            found = answered(kit, stack)
        except ContainerFailedError as error:
            seen[stack] = str(error)
            wrong.append(stack)
        except CannotSayError as error:
            seen[stack] = str(error)
        else:
            seen[stack] = found
            wrong += [] if "called" in found else [stack]
    right = [name for name, found in seen.items() if isinstance(found, dict) and name not in wrong]
    if not right and not wrong:
        return unknown("None of the three endpoints can be asked.", **seen)
    return compared(not wrong, f"Scripts that answer: {', '.join(right) or 'none'}.", **seen)


def environment(kit: Kit) -> Answer:
    """Read the PyTorch container's environment (A-NEO-06)."""
    loaded = called(kit, PYTORCH).get("loaded", {})
    names = set(loaded.get("environment", ()))
    said = f"The container has {', '.join(sorted(n for n in names if n.startswith('SAGEMAKER')))}."
    if "error" in loaded:
        said += f" Loading failed, which is A-NEO-07: {loaded['error']}"
    return compared(names >= _NAMES, said, **loaded)


def compiled_torch(kit: Kit) -> Answer:
    """Read what PyTorch's script finds (A-NEO-07)."""
    loaded = called(kit, PYTORCH).get("loaded", {})
    if kit.is_emulated:
        return unknown("Nothing is compiled here.", **loaded)
    is_right = "compiled.pt" in loaded.get("files", ()) and bool(loaded.get("has_neo"))
    return compared(
        is_right and "error" not in loaded,
        f"The folder has {', '.join(loaded.get('files', ()))}; {loaded.get('error', 'it loads')}.",
        **loaded,
    )


def unpacked(kit: Kit) -> Answer:
    """Ask the PyTorch endpoint, whose archive was written here (A-NEO-09)."""
    found = answered(kit, PYTORCH)
    said = "The served archive was unpacked, script and all."
    return compared("called" in found, said, answer=found)


def pythons(kit: Kit) -> Answer:
    """Read the Python of four containers (A-NEO-10)."""
    seen = dict[str, str]()
    for stack in (ONNX, *_SCRIPTS):
        try:
            found = called(kit, stack)
        except CannotSayError:
            continue
        seen[stack] = str(found.get("python") or found.get("loaded", {}).get("python"))
    if not seen:
        return unknown("No endpoint says its Python.")
    if kit.is_emulated:
        return unknown("The sandbox runs every script by its own Python.", **seen)
    wrong = {
        name: version
        for name, version in seen.items()
        if not _OLDEST <= tuple(map(int, version.split(".")[:2])) <= _NEWEST
    }
    return compared(not wrong, f"Pythons: {json.dumps(seen)}.", **seen)


def decoded_bodies(kit: Kit) -> Answer:
    """Send three types of body to the ONNX endpoint (A-RUN-01)."""
    seen = {
        kind: called(kit, ONNX, body, kind).get("type")
        for kind, body in {
            JSON: b"[1]",
            "text/csv": b"1,2",
            "application/octet-stream": b"1",
        }.items()
    }
    expected = {JSON: "list", "text/csv": "str", "application/octet-stream": "bytearray"}
    return compared(seen == expected, f"Bodies arrive as {json.dumps(seen)}.", **seen)


def plain_bodies(kit: Kit) -> Answer:
    """Send two types of body to the PyTorch endpoint (A-RUN-02)."""
    seen = {
        kind: called(kit, PYTORCH, b"[1]", kind).get("type")
        for kind in ("text/csv", "application/octet-stream")
    }
    expected = {"text/csv": "str", "application/octet-stream": "bytearray"}
    return compared(seen == expected, f"Bodies arrive as {json.dumps(seen)}.", **seen)


def toolkit(kit: Kit) -> Answer:
    """Read which server's modules PyTorch's script finds (A-RUN-03)."""
    modules = called(kit, PYTORCH, b"1", "text/csv").get("modules", [])
    is_right = "sagemaker_inference" in modules
    return compared(is_right, f"Modules of its server: {', '.join(modules) or 'none'}.")


def one_worker(kit: Kit) -> Answer:
    """Send twenty requests, and count the processes (A-RUN-05)."""
    pids = {called(kit, ONNX)["pid"] for _ in range(20)}
    said = f"Twenty requests are answered by {len(pids)} processes."
    return compared(len(pids) == 1, said, processes=len(pids))


def no_accept(kit: Kit) -> Answer:
    """Ask PyTorch's endpoint with and without Accept (A-RUN-06)."""
    given = called(kit, PYTORCH, b"1", "text/csv").get("accept")
    asked = called(kit, PYTORCH, b"1", "text/csv", Accept="text/csv").get("accept")
    said = f"Without Accept the script sees {given!r}, with text/csv {asked!r}."
    # The toolkit's own default, where nothing comes.
    return compared(given in {None, "", "application/json"} and asked == "text/csv", said)


def same_numbers(kit: Kit) -> Answer:
    """Compare answers for the digits with the trained model's (A-RUN-08)."""
    seen, wrong = dict[str, Any](), list[str]()
    for stack in (ONNX, *_SCRIPTS):
        try:
            seen[stack] = digits(kit, stack)
        except CannotSayError as error:
            seen[stack] = str(error)
            continue
        if not seen[stack]["scores"][0]:
            seen[stack] = "its model was not loaded"
        elif seen[stack]["off_by"] > _CLOSE:
            wrong.append(f"{stack} by {seen[stack]['off_by']:.3g}")
    compared_ones = [name for name, found in seen.items() if isinstance(found, Mapping)]
    if not compared_ones:
        return unknown("No endpoint has answered an image.", **seen)
    said = f"Compared: {', '.join(compared_ones)}."
    if wrong:
        return differs(f"{said} Off: {', '.join(wrong)}.", **seen)
    return held(f"{said} None is off by more than {_CLOSE:g}.", **seen)


def short_rows(kit: Kit) -> Answer:
    """Send XGBoost's endpoint rows of other widths (A-RUN-07)."""
    endpoint = kit.output("EndpointName", stack=XGBOOST)

    def answers(width: int) -> str:
        row = ",".join(["0"] * width).encode()
        try:
            kit.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=endpoint, Body=row, ContentType="text/csv"
            )
        except ClientError as error:
            judged(error)
            return str(error)[:300]
        return "answered"

    seen = {"64": answers(64), "60": answers(60), "80": answers(80)}
    if seen["64"] != "answered":
        return unknown(f"A whole row is not answered: {seen['64']}", **seen)
    is_right = seen["60"] == "answered" and seen["80"] != "answered"
    return compared(is_right, f"Rows of 60 and 80 for 64: {json.dumps(seen)}.", **seen)


def no_channel(kit: Kit) -> Answer:
    """Read what TensorFlow's context has (A-RUN-09)."""
    found = called(kit, TENSORFLOW)
    return compared(not found["has_grpc"], f"The context: {json.dumps(found)[:300]}.")


def serverless(kit: Kit) -> Answer:
    """Serve the ONNX model on a serverless endpoint (A-HOST-01)."""
    name, _ = _model_like_onnx(kit, "serverless")
    settings = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    variant = {"VariantName": "AllTraffic", "ModelName": name, "ServerlessConfig": settings}
    status = _served(kit, name, variant)
    said = f"A serverless endpoint of the ONNX model is {status['EndpointStatus']}."
    return _of_status(status, said, is_assumed_to_start=True)


# Otherwise, says docs/assumptions.md, the endpoint fails to come into service.
_OF_START: Final = {"A-NEO-03", "A-NEO-06", "A-NEO-09"}


def _probe(id_: str, does: str, run: Any, *stacks: str, also: tuple[str, ...] = ()) -> Probe:
    is_of_start = id_ in _OF_START
    return Probe(
        id=id_, does=does, run=run, minutes=3, stacks=stacks, also=also, is_of_start=is_of_start
    )


# The dollars of the five endpoints are counted once, by the stacks: see ``costs.py``.
PROBES: Final = (
    _probe(
        "A-NEO-03",
        "Invokes the ONNX endpoint, and sees that its script answers.",
        script_is_fetched,
        ONNX,
    ),
    Probe(
        id="A-NEO-04",
        does="Serves the ONNX model with network isolation, which must fail.",
        run=isolation,
        minutes=60,
        dollars=DOLLARS_PER_HOUR,
        stacks=(ONNX,),
    ),
    _probe(
        "A-NEO-05",
        "Invokes three endpoints, and sees that their scripts answer.",
        script_in_archive,
        also=_SCRIPTS,
    ),
    _probe("A-NEO-06", "Reads the PyTorch container's environment.", environment, PYTORCH),
    _probe("A-NEO-07", "Reads what PyTorch's script finds.", compiled_torch, PYTORCH),
    _probe(
        "A-NEO-09", "Asks the PyTorch endpoint, whose archive was written here.", unpacked, PYTORCH
    ),
    _probe("A-NEO-10", "Reads the Python of four containers.", pythons, also=(ONNX, *_SCRIPTS)),
    _probe("A-RUN-01", "Sends three types of body to the ONNX endpoint.", decoded_bodies, ONNX),
    _probe("A-RUN-02", "Sends two types of body to the PyTorch endpoint.", plain_bodies, PYTORCH),
    _probe("A-RUN-03", "Reads which server's modules PyTorch's script finds.", toolkit, PYTORCH),
    _probe("A-RUN-05", "Sends twenty requests, and counts the processes.", one_worker, ONNX),
    _probe("A-RUN-06", "Asks PyTorch's endpoint with and without Accept.", no_accept, PYTORCH),
    _probe("A-RUN-07", "Sends XGBoost's endpoint rows of other widths.", short_rows, XGBOOST),
    _probe(
        "A-RUN-08",
        "Compares answers for the digits with the trained model's.",
        same_numbers,
        also=(ONNX, *_SCRIPTS),
    ),
    _probe("A-RUN-09", "Reads what TensorFlow's context has.", no_channel, TENSORFLOW),
    Probe(
        id="A-HOST-01",
        does="Serves the ONNX model on a serverless endpoint.",
        run=serverless,
        minutes=30,
        dollars=0.01,
        stacks=(ONNX,),
    ),
)
