"""A script runs as the container would run it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from neo_constructs.local.container import ContainerError, LocalContainer, Reply
from neo_constructs.scripts.serving_contract import ServingContract

Start = Callable[..., LocalContainer]


@pytest.fixture
def start(tmp_path: Path, digits: Path) -> Iterator[Start]:
    """Start containers in a folder of the test's, and stop them after it."""
    started: list[LocalContainer] = []

    def make(script: str, *, contract: ServingContract = ServingContract.DLR) -> LocalContainer:
        model_dir = tmp_path / str(len(started)) / "model"
        code = (
            model_dir / "code"
            if contract is ServingContract.TOOLKIT
            else model_dir.parent / "script"
        )
        code.mkdir(parents=True)
        model_dir.mkdir(exist_ok=True)
        (model_dir / "digits.onnx").write_bytes((digits / "digits.onnx").read_bytes())
        (code / "inference.py").write_text(script)
        container = LocalContainer(
            model_dir, code / "inference.py", contract=contract, environment={"GREETING": "hello"}
        )
        started.append(container)
        return container

    yield make
    for container in started:
        container.stop()


def ask(container: LocalContainer, body: bytes, content_type: str = "application/json") -> Reply:
    return container.invoke(body, {"Content-Type": content_type})


def test_the_digits_script_and_model_are_as_good_as_the_training_script_says(
    start: Start, digits: Path
) -> None:
    container = start((digits / "code" / "inference.py").read_text())
    with np.load(digits / "held_out.npz") as data:
        images, labels = data["images"], data["labels"]
    replies = [ask(container, json.dumps(image.tolist()).encode()) for image in images]
    assert {reply.status for reply in replies} == {200}
    answers = [json.loads(reply.body)["digit"] for reply in replies]
    assert int((np.array(answers) == labels).sum()) == 355
    assert len(labels) == 360


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"[[1]]", "application/json"), (b"{}", "application/json"), (b"[]", "text/csv")],
)
def test_a_request_the_script_refuses_is_the_clients_fault(
    start: Start, digits: Path, body: bytes, content_type: str
) -> None:
    container = start((digits / "code" / "inference.py").read_text())
    reply = ask(container, body, content_type)
    assert reply.status == 400
    assert b"User-defined pre-processing function failed" in reply.body
    assert ask(container, json.dumps([[0] * 8] * 8).encode()).status == 200


PREPROCESS = """
import numpy as np
def neo_preprocess(payload, content_type):
    print("a line that is no reply")
    return {returned}
def neo_postprocess(result):
    {body}
"""
IMAGE = "np.zeros((1, 1, 8, 8), dtype=np.float32)"


@pytest.mark.parametrize(
    ("returned", "body", "status"),
    [
        (IMAGE, "return b'x', 'a/b'", 200),
        (f"{{'pixels': {IMAGE}}}", "return 'x', 'a/b'", 200),
        (f"{{'pixel': {IMAGE}}}", "return 'x', 'a/b'", 400),
        ("[1]", "return 'x', 'a/b'", 400),
        (IMAGE, "return 'x'", 500),
        (IMAGE, "raise KeyError('k')", 500),
        ("np.zeros(3, dtype=np.float32)", "return 'x', 'a/b'", 500),
    ],
)
def test_the_dlr_contract(start: Start, returned: str, body: str, status: int) -> None:
    reply = ask(start(PREPROCESS.format(returned=returned, body=body)), b"{}")
    assert reply.status == status
    if status == 200:
        assert (reply.content_type, reply.body) == ("a/b", b"x")


TOOLKIT = """
import os
def model_fn(model_dir):
    assert os.getcwd() == model_dir
    return os.environ["GREETING"] + " " + ",".join(sorted(os.listdir(model_dir)))
def transform_fn(model, body, content_type, accept):
    if not body:
        raise ValueError("empty")
    return model + " " + body, "text/plain"
"""


def test_sagemakers_own_toolkit_serves_the_four_functions(start: Start) -> None:
    container = start(TOOLKIT, contract=ServingContract.TOOLKIT)
    reply = ask(container, b"body")
    assert (reply.status, reply.body) == (200, b"hello code,digits.onnx body")
    assert ask(container, b"").status == 500


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_script_that_cannot_load_says_why(start: Start, script: str, says: str) -> None:
    with pytest.raises(ContainerError, match=says):
        start(script)


def test_a_worker_that_dies_is_noticed(start: Start) -> None:
    container = start("import os\ndef neo_preprocess(p, c): os._exit(7)\nneo_postprocess = print")
    with pytest.raises(ContainerError, match="exit code 7"):
        ask(container, b"{}")


SAYS_WHAT_IT_GETS = """
def model_fn(model_dir):
    return 1
def transform_fn(model, body, content_type, accept):
    return {returned}, "text/plain"
"""


def test_a_container_whose_framework_is_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"x")
    with pytest.raises(ContainerError, match="No module named 'xgboost'"):
        LocalContainer(
            tmp_path, tmp_path / "x.py", contract=ServingContract.XGBOOST, environment={}
        )


# --- scripts that misbehave -------------------------------------------------------------------


HANDLERS = "def neo_preprocess(p, c): ...\ndef neo_postprocess(r): return b'', 'a/b'\n"


def test_a_script_that_reads_from_the_terminal_finds_it_empty(start: Start) -> None:
    container = start("import sys\nassert sys.stdin.read() == ''\n" + HANDLERS)
    assert ask(container, b"{}").status == 400


def test_what_a_script_has_started_ends_with_it(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
    )
    container = start(script + HANDLERS)
    container.stop()
    process = Path("/proc") / note.read_text()
    until = time.monotonic() + 10  # a signal takes its moment
    while time.monotonic() < until and is_running(process):
        time.sleep(0.02)
    assert not is_running(process)


def is_running(process: Path) -> bool:
    """Whether a process runs; one that has ended may wait for someone to take note of it."""
    try:
        return "zombie" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_beside_a_child_of_its_own_is_noticed(start: Start) -> None:
    """The child keeps the pipe open: its end says nothing."""
    script = (
        "import os, time\n"
        "def neo_preprocess(p, c):\n"
        "    if os.fork() == 0: time.sleep(30)\n"
        "    os._exit(7)\n"
        "neo_postprocess = print"
    )
    with pytest.raises(ContainerError, match="exit code 7"):
        ask(start(script), b"{}")


def test_an_answer_that_does_not_come_is_not_waited_for(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "digits.onnx").write_bytes((digits / "digits.onnx").read_bytes())
    script = tmp_path / "inference.py"
    script.write_text("def neo_preprocess(p, c):\n while p: pass\nneo_postprocess = print")
    container = LocalContainer(
        tmp_path / "model", script, contract=ServingContract.DLR, environment={}, answer_seconds=0.5
    )
    try:
        with pytest.raises(ContainerError, match=r"did not answer within 0\.5 seconds"):
            ask(container, b"[1]")
        assert ask(container, b"{}").status == 400  # by a worker that was started anew
    finally:
        container.stop()


ODD = """
import os, time
def transform_fn(model, body, content_type, accept):
    if body == "dies":
        os._exit(7)
    if body == "closes":
        os.closerange(3, 64)
        time.sleep(60)
    if body == "hangs":
        time.sleep(60)
    return str(len(body)), "text/plain"
model_fn = len
"""


@pytest.mark.parametrize("by_a_loop", [False, True], ids=["blocking", "event loop"])
def test_a_worker_that_ends_is_started_anew(tmp_path: Path, digits: Path, by_a_loop: bool) -> None:
    (tmp_path / "model" / "code").mkdir(parents=True)
    script = tmp_path / "model" / "code" / "inference.py"
    script.write_text(ODD)
    container = LocalContainer(
        tmp_path / "model",
        script,
        contract=ServingContract.TOOLKIT,
        environment={},
        answer_seconds=2,
    )

    def send(body: bytes) -> Reply:
        headers = {"Content-Type": "application/json"}
        if by_a_loop:
            return asyncio.run(container.answer(body, headers))
        return container.invoke(body, headers)

    try:
        for body, says in (
            (b"dies", "exit code 7"),
            (b"closes", "exit code -9"),
            (b"hangs", "did not answer within 2 seconds"),
        ):
            with pytest.raises(ContainerError, match=says):
                send(body)
            # Larger than a pipe, in both directions of the frame.
            assert send(b"x" * 3_000_000).body == b"3000000"
    finally:
        container.stop()


@pytest.mark.parametrize("by_a_loop", [False, True], ids=["blocking", "event loop"])
def test_a_worker_that_cannot_be_started_again_says_so_each_time(
    tmp_path: Path, by_a_loop: bool
) -> None:
    (tmp_path / "model" / "code").mkdir(parents=True)
    script = tmp_path / "model" / "code" / "inference.py"
    script.write_text(ODD)
    container = LocalContainer(
        tmp_path / "model",
        script,
        contract=ServingContract.TOOLKIT,
        environment={},
        answer_seconds=2,
    )
    headers = {"Content-Type": "application/json"}
    script.write_text("raise ValueError('no more')")

    def send() -> Reply:
        if by_a_loop:
            return asyncio.run(container.answer(b"dies", headers))
        return container.invoke(b"dies", headers)

    try:
        for says in ("exit code 7", "no more", "no more", "no more"):
            with pytest.raises(ContainerError, match=says):
                send()
    finally:
        container.stop()


def test_a_content_type_is_needed(start: Start, digits: Path) -> None:
    container = start((digits / "code" / "inference.py").read_text())
    assert ask(container, b"{}", "").status == 500


def test_an_interpreter_may_be_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContainerError, match="could not load"):
        LocalContainer(
            tmp_path,
            tmp_path / "x.py",
            contract=ServingContract.XGBOOST,
            environment={},
            python="bin/python",
        )
