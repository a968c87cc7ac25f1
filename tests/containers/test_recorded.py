"""The containers of ``neo run`` answer as the real ones did.

``recorded.json`` is what ``make containers`` has got from the real servers and toolkits. Groups
whose framework is not installed here are compared by ``make containers``, too.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neo_constructs.local.container import ContainerError, LocalContainer
from neo_constructs.scripts.serving_contract import ServingContract
from tests.containers import real
from tests.containers.cases import GROUPS, SERVED, Case, Request, lay_out
from tests.containers.record import recorded

CONTRACTS = {
    "dlr": ServingContract.DLR,
    "toolkit": ServingContract.TOOLKIT,
    "torch": ServingContract.TOOLKIT,
    "tensorflow": ServingContract.TENSORFLOW,
    "tensorflow-none": ServingContract.TENSORFLOW,
    "xgboost": ServingContract.XGBOOST,
    "mxnet": ServingContract.MXNET,
}
FRAMEWORKS = {"torch": "torch", "xgboost": "xgboost", "mxnet": "mxnet"}
OF_MMS = frozenset({"dlr", "xgboost", "mxnet"})
PREDICTION_FAILED = "Prediction failed"


def python_of(group: str) -> str:
    """Return the interpreter with a group's framework."""
    if group not in FRAMEWORKS:
        return sys.executable
    return os.environ.get(f"NEO_PYTHON_{FRAMEWORKS[group].upper()}", "")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, list[str]]]:
    with real.model_server() as found:
        yield found


def ours(group: str, case: Case, folder: Path, served: tuple[int, list[str]]) -> Any:
    """Return the answers of our container."""
    model_dir = folder / "ml" / "model"
    lay_out(group, case, model_dir)
    script = model_dir / "code" / "inference.py"
    if group == "dlr":
        script = Path(shutil.move(model_dir / "code", folder / "ml" / "script")) / script.name
    response = folder / "response.json"
    response.write_bytes(SERVED)
    port, asked = served
    is_tensorflow = group.startswith("tensorflow")
    # Where the model server's own address is asked for, that is the container's.
    uri = f"http://127.0.0.1:{port}/v1/models/model:predict"
    upstream = uri if group == "tensorflow-none" else None
    try:
        container = LocalContainer(
            model_dir,
            script,
            contract=CONTRACTS[group],
            environment={"SAGEMAKER_PROGRAM": "inference.py", "PYTHONHASHSEED": "0"},
            python=python_of(group),
            options={"response": str(response), "upstream": upstream} if is_tensorflow else {},
        )
    except ContainerError:
        return "not loaded"
    try:
        found = []
        for request in case.requests:
            asked.clear()
            reply = container.invoke(request.body, sent(request))
            headers = {**reply.headers, "content-type": reply.content_type}
            answer = real.answer(reply.status, headers, reply.body)
            found.append({**answer, "asked": list(asked)} if upstream else answer)
        return found
    finally:
        container.stop()


def sent(request: Request) -> dict[str, str]:
    """Return the headers of a request."""
    given = {"Content-Type": request.content_type, "Accept": request.accept, **request.headers}
    return {name: value for name, value in given.items() if value is not None}


def comparable(answers: Any) -> Any:
    """Return answers without what is the same to a client: no content type, and an empty one."""
    if isinstance(answers, str):
        return answers
    return [{**each, "content_type": each["content_type"] or None} for each in answers]


@pytest.mark.parametrize(
    ("group", "case"),
    [pytest.param(g, c, id=f"{g}: {c.name}") for g, cases in GROUPS.items() for c in cases],
)
def test_our_container_answers_as_the_real_one_did(
    group: str, case: Case, tmp_path: Path, served: tuple[int, list[str]]
) -> None:
    if not python_of(group):
        pytest.skip(f"{FRAMEWORKS[group]} is not installed")
    found = ours(group, case, tmp_path, served)
    answered = recorded()[group][case.name]
    # multi-model-server goes on with a model that it could not load, and answers this to all.
    is_loaded = answered != "not loaded"
    if is_loaded and group in OF_MMS:
        is_loaded = any(PREDICTION_FAILED not in each["body"] for each in answered)
    answered = answered if is_loaded else "not loaded"
    assert comparable(found) == comparable(answered)
