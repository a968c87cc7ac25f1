"""``neo run`` with the containers that need no framework but ONNX Runtime and the toolkit."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from neo_constructs.cli.main import neo
from neo_constructs.local.container import ContainerError
from neo_constructs.local.model_folder import lay_out
from neo_constructs.local.server import spelled
from neo_constructs.local.worker import _sendable
from neo_constructs.scripts.serving_contract import ServingContract
from tests.lifecycle.events import archive

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
MODELS = Path(__file__).parents[1] / "models"
ZERO = [[0, 0, 5, 13, 9, 1, 0, 0], *[[0, 4, 12, 0, 0, 8, 8, 0]] * 6, [0, 0, 6, 13, 10, 0, 0, 0]]
IMAGE = json.dumps(ZERO).encode()
ONNX = ("run", DIGITS / "digits.onnx", "--code", DIGITS / "code")
TENSORFLOW = """
import json
import os

def input_handler(data, context):
    return json.dumps({"instances": json.loads(data.read())})

def output_handler(response, context):
    assert response.status_code == 200
    return json.dumps([response.json(), context.accept_header]), context.accept_header
"""


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(neo, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_every_payload_is_sent_and_every_reply_shown(tmp_path: Path) -> None:
    payloads = tmp_path / "payload.tar.gz"
    payloads.write_bytes(archive({"one.json": IMAGE, "two.json": IMAGE, "bad.json": b"[1]"}))
    (tmp_path / "three.json").write_bytes(IMAGE)
    result = run(*ONNX, "--payload", payloads, "--payload", tmp_path / "three.json")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if ".json: " in line] == [
        "one.json: 200 application/json",
        "two.json: 200 application/json",
        "bad.json: 400 (no content type)",
        "three.json: 200 application/json",
    ]
    assert '{"digit": 0' in result.stdout


def test_a_model_that_loads_is_fine() -> None:
    result = run(*ONNX)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "loaded in" in result.stderr


def test_the_archive_that_is_served_can_be_run(tmp_path: Path) -> None:
    script = (DIGITS / "code" / "inference.py").read_bytes()
    files = {"digits.onnx": (DIGITS / "digits.onnx").read_bytes(), "code/inference.py": script}
    (tmp_path / "model.tar.gz").write_bytes(archive(files))
    (tmp_path / "image.json").write_bytes(IMAGE)
    result = run("run", tmp_path / "model.tar.gz", "--payload", tmp_path / "image.json")
    assert result.exit_code == 0, result.output


def test_the_content_type_is_what_one_says(tmp_path: Path) -> None:
    (tmp_path / "image.json").write_bytes(IMAGE)
    result = run(*ONNX, "--payload", tmp_path / "image.json", "--content-type", "text/csv")
    assert result.exit_code == 1
    assert "send application/json, not text/csv" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("no-such-model",), 2, "There is no file or folder at 'no-such-model'"),
        ((MODELS / "make_torch.py",), 2, "give --framework"),
        ((DIGITS / "digits.onnx", "--framework", "onyx"), 2, "Did you mean 'onnx'"),
        ((DIGITS / "digits.onnx", "--code", "nowhere"), 2, "no file or folder at 'nowhere'"),
        ((DIGITS / "digits.onnx",), 1, "No module named 'inference'"),
        ((MODELS / "frozen.pb",), 1, "frozen.pb is a frozen graph"),
        ((MODELS / "xgboost.json",), 1, "--python /path/to/python (xgboost)"),
        ((DIGITS / "digits.onnx", "--code", DIGITS / "a.tar.gz"), 2, "is an archive: give the"),
        ((DIGITS / "digits.onnx", "--python", "no-such-python"), 2, "no program 'no-such-python'"),
        (
            (DIGITS / "digits.onnx", "--code", DIGITS / "code", "--payload", "nothing.json"),
            2,
            "no file or folder at 'nothing.json'",
        ),
    ],
)
def test_what_cannot_be_run_is_said(
    arguments: tuple[str | Path, ...], code: int, says: str
) -> None:
    result = run("run", *arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_tensorflows_handlers_with_a_recorded_response(tmp_path: Path) -> None:
    (tmp_path / "inference.py").write_text(TENSORFLOW)
    (tmp_path / "response.json").write_text('{"predictions": [[0.5]]}')
    (tmp_path / "rows.json").write_text("[1, 2]")
    result = run(
        "run", MODELS / "saved_model", "--framework", "tensorflow:2.9",
        "--code", tmp_path / "inference.py", "--response", tmp_path / "response.json",
        "--payload", tmp_path / "rows.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert '[{"predictions": [[0.5]]}, "application/json"]' in result.stdout


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ("handler = lambda data, context: (data.read(), 'a/b')", 200, "[1, 2]"),
        (None, 200, '{"predictions": [[0.5]]}'),
        ("handler = lambda data, context: 1 / 0", 500, "division by zero"),
    ],
)
def test_tensorflows_one_handler(
    tmp_path: Path, script: str | None, status: int, says: str
) -> None:
    (tmp_path / "code").mkdir()
    if script:
        (tmp_path / "code" / "inference.py").write_text(script)
    (tmp_path / "response.json").write_text('{"predictions": [[0.5]]}')
    (tmp_path / "rows.json").write_text("[1, 2]")
    result = run(
        "run", MODELS / "saved_model", "--framework", "tensorflow:2.9", "--code", tmp_path / "code",
        "--response", tmp_path / "response.json", "--payload", tmp_path / "rows.json",
    )  # fmt: skip
    assert f"rows.json: {status}" in result.stdout, result.output
    assert says in result.stdout


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("input_handler = print", "Handlers are not implemented correctly"),
        ("handler = print", "No module named 'tensorflow'"),
    ],
)
def test_what_tensorflows_container_would_not_start_with(
    tmp_path: Path, script: str, says: str
) -> None:
    (tmp_path / "inference.py").write_text(script)
    arguments = ["--response", __file__] if "input" in script else []
    result = run(
        "run", MODELS / "saved_model", "--framework", "tensorflow:2.9",
        "--code", tmp_path / "inference.py", *arguments,
    )  # fmt: skip
    assert result.exit_code == 1
    assert says in result.stderr


def test_an_archive_that_cannot_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(archive({"../a": b""}))
    with pytest.raises(ContainerError, match="cannot be unpacked"):
        lay_out(tmp_path / "model.tar.gz", None, ServingContract.TOOLKIT, tmp_path / "base")


# --- the two paths on HTTP --------------------------------------------------------------------

RUN_KEY = "of-this-run"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes what it has to say."""
    return tmp_path_factory.mktemp("serve") / "log"


@pytest.fixture(scope="module")
def port(log: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    arguments = [str(a) for a in (*ONNX, "--serve", "--port", str(free))]
    command = "from neo_constructs.cli.main import neo; neo()"
    environment = {**os.environ, "NEO_RUN_KEY": RUN_KEY}
    with log.open("wb") as out:
        served = subprocess.Popen(
            [sys.executable, "-c", command, *arguments], env=environment, stderr=out
        )
    try:
        _wait_for(free)
        yield free
    finally:
        served.terminate()
        served.wait(10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nothing answers")


def ask(
    port: int, method: str, path: str, body: bytes = b"", key: str = RUN_KEY
) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "x-neo-run-key": key}
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    return reply.status, reply.headers.get("Content-Type", ""), reply.read()


def test_a_ping_and_an_invocation(port: int) -> None:
    assert ask(port, "GET", "/ping")[0] == 200
    status, content_type, body = ask(port, "POST", "/invocations", IMAGE)
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)["digit"] == 0


@pytest.mark.parametrize("key", ["", "guessed", RUN_KEY[:-1], RUN_KEY.upper()])
def test_an_invocation_needs_the_key_and_a_ping_does_not(port: int, key: str) -> None:
    assert ask(port, "POST", "/invocations", IMAGE, key)[0] == 403
    assert ask(port, "GET", "/ping", key=key)[0] == 200


def test_what_the_container_refuses_is_passed_on(port: int) -> None:
    assert ask(port, "POST", "/invocations", b"[1]")[0] == 400
    assert ask(port, "POST", "/invocations", b"{")[0] == 500  # the container's worker dies of it
    assert ask(port, "POST", "/invocations", IMAGE)[0] == 200  # and is started anew
    assert ask(port, "POST", "/invocations", b"x" * (6 * 1024**2 + 1))[0] == 413
    assert ask(port, "GET", "/invocations")[0] == 405


def test_a_client_that_leaves_is_no_fault(port: int, log: Path) -> None:
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: localhost\r\nx-neo-run-key: {RUN_KEY}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n["
    )
    for sent in (head, head.replace("1000", "3") + "1]"):
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(sent.encode())
    assert ask(port, "POST", "/invocations", IMAGE)[0] == 200
    assert "Exception" not in log.read_text()


def test_many_clients_at_once(port: int) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: ask(port, "POST", "/invocations", IMAGE), range(100)))
    assert {status for status, _, _ in found} == {200}


def test_a_servers_headers_have_the_names_that_scripts_ask_for() -> None:
    given = {"content-type": "a/b", "x-amzn-sagemaker-custom-attributes": "c", "x-neo-run-key": "k"}
    assert spelled(given) == {"Content-Type": "a/b", "X-Amzn-SageMaker-Custom-Attributes": "c"}


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (200, "x", "a\r\nset-cookie: b"), (200, "a b", "x"), (1000, "x", "y"), (100, "x", "y"),
        (None, "x", "y"), (200, "x", "\u2028"),
    ],
)  # fmt: skip
def test_what_http_cannot_carry_is_an_error(status: object, name: str, value: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        _sendable(status, {name: value})


def test_the_length_of_a_reply_is_not_the_scripts() -> None:
    assert _sendable(200, {"Content-Length": "2", "x": "y"}) == (200, {"x": "y"})


# --- what is sent with --payload ---------------------------------------------------------------


def handler(tmp_path: Path, reply: str, *arguments: str | Path) -> Result:
    """Run a TensorFlow script that replies so."""
    (tmp_path / "inference.py").write_text(f"def handler(data, context):\n    return {reply}\n")
    (tmp_path / "response.json").write_text("{}")
    if not (tmp_path / "body.json").exists():
        (tmp_path / "body.json").write_text("[1]")
    return run(
        "run", MODELS / "saved_model", "--framework", "tensorflow:2.9",
        "--code", tmp_path / "inference.py", "--response", tmp_path / "response.json",
        "--payload", tmp_path / "body.json", *arguments,
    )  # fmt: skip


def test_headers_reach_the_script(tmp_path: Path) -> None:
    result = handler(
        tmp_path, "' '.join([context.custom_attributes, context.accept_header]), 'a/b'",
        "--custom-attributes", "trace=1", "--header", "Accept: text/csv",
    )  # fmt: skip
    assert "trace=1 text/csv" in result.stdout


def test_a_header_takes_the_usual_ones_place_in_any_case(tmp_path: Path) -> None:
    result = handler(
        tmp_path, "context.request_content_type, 'a/b'", "--header", "content-type: text/csv"
    )
    assert result.stdout.splitlines()[-1] == "text/csv"


def test_what_a_script_sets_is_shown(tmp_path: Path) -> None:
    code = (
        "def transform_fn(m, b, c, a, context):\n    context.set_response_header(0, 'X-B', '2')\n"
    )
    (tmp_path / "inference.py").write_text(f"model_fn = len\n{code}    return 'done'\n")
    (tmp_path / "body.json").write_text("[1]")
    result = run(
        "run", MODELS / "traced.pth", "--code", tmp_path / "inference.py",
        "--payload", tmp_path / "body.json",
    )  # fmt: skip
    assert "body.json: 200 application/json\n  x-b: 2\ndone" in result.stdout


@pytest.mark.parametrize("given", ["no colon", ": x", "a b: c", "a: b\nc: d"])
def test_what_is_no_header_is_said(given: str, tmp_path: Path) -> None:
    result = handler(tmp_path, "'x', 'a/b'", "--header", given)
    assert result.exit_code == 2
    assert "is not a header: write NAME:VALUE" in result.output


def test_the_services_limits_hold_in_both_directions(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(b"x" * (6 * 1024**2 + 1))
    result = handler(tmp_path, "'x', 'a/b'")
    assert result.exit_code == 1
    assert "body.json: not sent. The request has 6,291,457 bytes" in result.stdout
    (tmp_path / "body.json").write_bytes(b"x")
    result = handler(tmp_path, "'x' * (6 * 1024**2 + 1), 'a/b'")
    assert result.exit_code == 1
    assert "The reply has 6,291,457 bytes; InvokeEndpoint passes 6,291,456" in result.stdout


# --- what must not happen ---------------------------------------------------------------------


def test_what_a_script_writes_is_not_the_users(tmp_path: Path) -> None:
    model, code = tmp_path / "model", tmp_path / "code"
    model.mkdir()
    code.mkdir()
    (model / "model.pth").write_text("weights")
    script = (
        "import os\n"
        "def model_fn(d):\n"
        "    open(os.path.join(d, 'model.pth'), 'w').write('gone')\n"
        "    open(__file__, 'a').write('# edited')\n"
        "    return 1\n"
    )
    (code / "inference.py").write_text(script)
    result = run("run", model, "--framework", "pytorch", "--code", code)
    assert result.exit_code == 0, result.output
    assert (model / "model.pth").read_text() == "weights"
    assert (code / "inference.py").read_text() == script


def test_a_signal_ends_what_was_started(tmp_path: Path) -> None:
    """Nothing runs on, and nothing is left among the temporary files."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "inference.py").write_text(
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n"
        "while True: pass\n"
    )
    command = "from neo_constructs.cli.main import neo; neo()"
    arguments = ["run", str(DIGITS / "digits.onnx"), "--code", str(tmp_path / "inference.py")]
    running = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 20
    while time.monotonic() < until and not (tmp_path / "pid").exists():
        time.sleep(0.05)
    time.sleep(0.1)
    running.terminate()
    assert running.wait(10) == 130
    assert not (Path("/proc") / (tmp_path / "pid").read_text()).exists()
    assert not list((tmp_path / "tmp").glob("neo-run-*"))


def test_a_port_that_is_taken_is_said_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run(*ONNX, "--serve", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "cannot be listened on" in result.stderr
    assert "loaded" not in result.stderr


@pytest.mark.parametrize("size", [65 << 20, 3 << 40])
def test_a_payload_beyond_reason_is_not_read(size: int, tmp_path: Path) -> None:
    info = tarfile.TarInfo("image.jpg")
    info.size = size
    path = tmp_path / "payload.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)))
    result = run(*ONNX, "--payload", path)
    assert result.exit_code == 2
    assert "64 MiB" in result.stderr
    assert run("validate", "--payload", path).exit_code in {1, 2}


def test_an_archive_without_a_payload_is_said(tmp_path: Path) -> None:
    path = tmp_path / "payload.tar.gz"
    path.write_bytes(archive({}))
    result = run(*ONNX, "--payload", path)
    assert result.exit_code == 2
    assert "holds no payload" in result.stderr


def test_one_script_is_one_script(tmp_path: Path) -> None:
    for name in ("inference.py", "helper.py"):
        (tmp_path / name).write_text("x = 1")
    result = run("run", DIGITS / "digits.onnx", "--code", tmp_path)
    assert result.exit_code == 1
    assert "exactly one .py file" in result.stderr


def test_an_archive_of_links_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        info = tarfile.TarInfo("model.pth")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(info)
    result = run("run", path, "--framework", "pytorch:2.0")
    assert result.exit_code == 2
    assert "[archive-link]" in result.stderr
