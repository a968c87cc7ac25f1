"""``neo run``: the script and the model, as their container would run them."""

from __future__ import annotations

import mimetypes
import os
import re
import secrets
import shutil
import socket
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import click

from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.sample_payload import read_payloads, too_large
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.cli.console import (
    exit_unusable,
    raise_keyboard_interrupt_on_signal,
    require_extra,
    say,
)
from neo_constructs.cli.examples import examples
from neo_constructs.cli.parameters import any_version, parse_or_exit
from neo_constructs.local.container import ContainerError, LocalContainer, Reply
from neo_constructs.local.model_folder import lay_out, sample_shapes
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.scripts.script_rules import check_script
from neo_constructs.scripts.serving_contract import ServingContract

SHOWN = 2_000  # characters of a reply
FAILED = 400
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".libsvm": "text/libsvm",
    ".npy": "application/x-npy",
}
_FRAMEWORK = re.compile(
    r"No module named '(torch|torchvision|mxnet|tensorflow|keras|xgboost|onnxruntime)[.']"
)
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, tarfile.TarError, zlib.error)
INTERRUPTED = 130


@click.command(
    epilog=examples(
        "neo run model.onnx --code code --payload image.json",
        "neo run model.onnx --code code --serve --port 8080",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--framework", help="Such as pytorch:2.0. Default: the model's file says it.")
@click.option("--target", default="ml_c5", show_default=True, help="What it is compiled for.")
@click.option("--code", type=click.Path(path_type=Path), help="The script, or its folder.")
@click.option(
    "--payload",
    "payloads",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A request's body, or a .tar.gz of several; may be given more than once.",
)
@click.option("--content-type", help="Default: what the payload's name says.")
@click.option("--accept", help="Default: the header is not sent.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    callback=lambda _context, _option, given: _parse_headers(given),
    help="A header more of every request; may be given more than once.",
)
@click.option("--custom-attributes", help="The header X-Amzn-SageMaker-Custom-Attributes.")
@click.option(
    "--serve",
    is_flag=True,
    help="Answer /ping and /invocations until interrupted. An invocation has the header "
    "x-neo-run-key with the value of NEO_RUN_KEY; without that variable, a random key is printed.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--python", default=sys.executable, help="The interpreter with the script's packages."
)
@click.option(
    "--stand-in", is_flag=True, help="Make the modules and files that only Neo's containers have."
)
@click.option("--upstream", help="TensorFlow: the URI of a model server's :predict.")
@click.option(
    "--response",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TensorFlow: a file with what a model server would answer.",
)
def run(
    path: Path,
    *,
    framework: str | None,
    target: str,
    code: Path | None,
    payloads: tuple[Path, ...],
    content_type: str | None,
    accept: str | None,
    headers: dict[str, str],
    custom_attributes: str | None,
    serve: bool,
    host: str,
    port: int,
    python: str,
    stand_in: bool,
    upstream: str | None,
    response: Path | None,
) -> None:
    """Load the model at PATH by its script, and answer each payload.

    Environment, working directory and import path are the container's. What runs is the trained
    model: nothing is compiled here. Exits 1 if the container could not load, or answered an error,
    2 if an argument cannot be used.
    """
    parsed, device = parse_or_exit((framework, any_version), (target, TargetDevice.parse))
    _require_all(path, code, payloads, python)
    contract, model = _recognised(path, parsed, device)
    listening = _listen(host, port) if serve else None
    raise_keyboard_interrupt_on_signal()
    with tempfile.TemporaryDirectory(prefix="neo-run-") as base:
        try:
            # Below a folder like /opt/ml, where a container has them.
            model_dir, script = lay_out(path, code, contract, Path(base) / "ml")
            _advise(script, contract)
            began = time.monotonic()
            container = LocalContainer(
                model_dir,
                script,
                contract=contract,
                environment=_variables(contract, script),
                python=python,
                options={
                    "stand_in": stand_in,
                    "shapes": sample_shapes(model),
                    "upstream": upstream,
                    "response": str(response.resolve()) if response else None,
                },
            )
        except ContainerError as error:
            say(f"Error: {error}", err=True)
            _hint(str(error), contract, script_is_given=code is not None)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        try:
            seconds = time.monotonic() - began
            click.echo(f"loaded in {seconds:.1f} s, as {contract.title} does", err=True)
            _warn_of_pickles(model, payloads)
            # Rests on A-RUN-06.
            given = {"Accept": accept, CUSTOM_ATTRIBUTES: custom_attributes}
            sent = _merged({n: v for n, v in given.items() if v is not None}, headers)
            failures = sum(_send(container, p, content_type, sent) for p in payloads)
            if listening:
                _serve(container, listening)
        except ContainerError as error:
            say(f"Error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(0 if serve else INTERRUPTED)
        finally:
            container.stop()
    sys.exit(int(bool(failures)))


def _recognised(
    path: Path, framework: Framework | None, target: TargetDevice
) -> tuple[ServingContract, ModelFile | None]:
    """Return the container's contract; exit with 2 if there is no telling."""
    inspection = inspect(path)
    model = inspection.model
    unusable = {
        "archive-link", "archive-beyond-reason", "archive-member-path", "model-unreadable",
        "temporary-folder",
    }  # fmt: skip
    found = [f for f in inspection.findings if f.code in unusable]
    if found:
        exit_unusable("\n".join(str(finding) for finding in found))
    if framework is None and model is None:
        why = "; ".join(str(finding) for finding in inspection.findings)
        exit_unusable(f"{path} is not recognised; give --framework. {why}".strip())
    known = framework or Framework(model.framework if model else "")
    return ServingContract.of(known, target), model


def _variables(contract: ServingContract, script: Path) -> dict[str, str]:
    """Return what hosting/model.py gives the container."""
    return {
        "SAGEMAKER_REGION": "us-east-1",
        **contract.environment,
        "SAGEMAKER_PROGRAM": script.name,
        "SAGEMAKER_SUBMIT_DIRECTORY": str(script.parent),
    }


def _send(
    container: LocalContainer, path: Path, content_type: str | None, headers: Mapping[str, str]
) -> int:
    """Send every payload of a file, print the replies, and return how many were errors."""
    sent = failures = 0
    try:
        for name, body in read_payloads(path):
            sent += 1
            if why := too_large(len(body), "request"):
                failures += 1
                say(f"{name}: not sent. {why}")
                continue
            named = _merged({"Content-Type": content_type or _type_of(name)}, headers)
            reply = container.invoke(body, named)
            why = too_large(len(reply.body), "reply")
            failures += reply.status >= FAILED or bool(why)
            say(f"{name}: {reply.status} {reply.content_type or '(no content type)'}")
            for header, value in reply.headers.items():
                say(f"  {header}: {value}")
            say(why or _shown(reply))
    except _UNREADABLE as error:
        exit_unusable(f"{path} cannot be read: {error}.")
    if not sent:
        exit_unusable(f"{path} holds no payload.")
    return failures


def _parse_headers(given: tuple[str, ...]) -> dict[str, str]:
    """Return the headers that --header gives."""
    found = {}
    for each in given:
        name, colon, value = each.partition(":")
        if not (colon and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            raise click.BadParameter(f"{each!r} is not a header: write NAME:VALUE.")
        found[name] = value.strip()
    return found


def _merged(usual: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return headers, those given in place of the usual ones of the same name in any case."""
    names = {name.lower() for name in given}
    return {**{n: v for n, v in usual.items() if n.lower() not in names}, **given}


def _type_of(name: str) -> str:
    suffix = Path(name).suffix
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _warn_of_pickles(model: ModelFile | None, payloads: tuple[Path, ...]) -> None:
    """Say what the container loads in a way that runs code which is in it."""
    risky = [str(p) for p in payloads if p.suffix == ".npy"]
    if model and model.format == "xgboost-pickle":
        risky.append(model.where)
    if risky:
        names = ", ".join(risky)
        click.echo(f"{names}: loaded as the container does, which runs code in pickles", err=True)


def _shown(reply: Reply) -> str:
    try:
        text = reply.body.decode()
    except UnicodeDecodeError:
        return f"({len(reply.body)} bytes)"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _require_all(path: Path, code: Path | None, payloads: tuple[Path, ...], python: str) -> None:
    """Exit with 2 at what is not there, all of it together."""
    missing = []
    if code and code.name.endswith((".tar.gz", ".tgz")):
        missing.append(
            f"{str(code)!r} is an archive: give the script, or the folder it was made of."
        )
    for each in (path, *([code] if code else []), *payloads):
        try:
            each.stat()
        except OSError as error:
            missing.append(f"There is no file or folder at {str(each)!r}: {error.strerror}.")
    if shutil.which(python) is None:
        missing.append(f"There is no program {python!r} to run the script with.")
    if missing:
        exit_unusable("\n".join(missing))


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; exit with 2 if it cannot."""
    require_extra("local", "starlette", "uvicorn")
    # Named as TCP, its connections send a reply's last bytes at once (asyncio sets TCP_NODELAY).
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        exit_unusable(f"{host}:{port} cannot be listened on: {error}.")
    return listening


def _serve(container: LocalContainer, listening: socket.socket) -> None:
    from neo_constructs.local.server import KEY_HEADER
    from neo_constructs.local.server import serve as answer

    host, port = listening.getsockname()[:2]
    given = os.environ.get("NEO_RUN_KEY")
    key = given or secrets.token_hex(16)
    say(f"serving on http://{host}:{port} (/ping, /invocations)", err=True)
    shown = "of NEO_RUN_KEY" if given else key
    say(f"an invocation needs the header {KEY_HEADER}: {shown}", err=True)
    answer(container, listening, key)


def _advise(script: Path, contract: ServingContract) -> None:
    """Say what is seen of the script before it runs."""
    if not script.is_file():
        return
    for finding in check_script(script, contract):
        text = str(finding).replace(str(script), script.name)
        say(f"{finding.level.capitalize()}: {text}", err=True)


def _hint(error: str, contract: ServingContract, *, script_is_given: bool) -> None:
    """Say what is missing here that a Neo container has, or was not given."""
    # Rests on A-RUN-04.
    if contract.reports_load_errors:
        say("The container itself would start, and answer every request with an error.", err=True)
    if any(
        text in error
        for text in ("torch.neo", "attribute 'neo'", "neopytorch", "neomx", "compiled")
    ):
        say("Only Neo's containers have that: --stand-in makes it here.", err=True)
    missing = _FRAMEWORK.search(error)
    if missing:
        say(f"Name an interpreter that has it: --python /path/to/python ({missing[1]}).", err=True)
    if "No module named 'inference'" in error and not script_is_given:
        say("This container needs a script: give --code.", err=True)
