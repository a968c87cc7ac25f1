"""Nothing that is read can break a reader: random bytes, and real files with a fault in them."""

from __future__ import annotations

import functools
import gzip
import io
import os
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo_jobs.archive_writer import Script, write_archive
from neo_jobs.errors import PermanentError

from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.sample_payload import check_payloads
from neo_constructs.model_formats import pickle_reader, protobuf_wire
from neo_constructs.model_formats.budget import Budget
from neo_constructs.model_formats.model_file import recognise
from neo_constructs.model_formats.model_rules import check_model
from neo_constructs.scripts.script_rules import check_code
from neo_constructs.scripts.serving_contract import ServingContract
from tests.lifecycle.events import archive

MODELS = Path(__file__).parent.parent / "models"
FILES = sorted(p for p in MODELS.rglob("*") if p.is_file() and p.suffix != ".py")
NAMES = (*{p.name for p in FILES}, "model.onnx", "model.tar.gz", "xgboost-model", "m.tgz")
EXAMPLES = int(os.environ.get("NEO_FUZZ_EXAMPLES", "150"))
SCRIPT = archive({"inference.py": b"# a script"})
PIECES = (
    "def model_fn(d): ", "def handler(d, c, *a, k=1, **kw): ", "async def predict_fn(): ",
    "pass\n", "return 1, 2\n", "class A:\n", " ", "\n", "\t", "import torch, no_such\n", "x = [",
    "from beside import *\n", "globals()", "if __name__ == '__main__':\n",
    "match x:\n case y: 1\n", "lambda d: (yield)", "(", ")", "]", "@a.b[0]\n", "torch.load(x)\n",
    "try:\n", "except E as e:\n", "global g\n", "del model_fn\n",
    "neo_postprocess = neo_preprocess = 1\n", "f'{x!r:>{y}}'", "\\\n",
    "for handler in x: pass\n", "x: int = 1\n", "# coding: latin-1\n", "'\\ud800'",
)  # fmt: skip
totals: Counter[str] = Counter()

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="NEO_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def look_at(name: str, content: bytes) -> None:
    """Read a file in every way there is: findings may come, exceptions may not."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        found = recognise(file)
        if found:
            check_model(found)
            found.data_input_config()
        inspect(file)
        for contract in ServingContract.ALL:
            check_code(file, file.name, contract)
        check_payloads(file)
        repack(content)
    totals["files"] += 1


def repack(content: bytes) -> None:
    """Let the worker read an archive: it is served, or refused."""
    for script, model in ((content, SCRIPT), (SCRIPT, content)):
        try:
            write_archive(
                io.BytesIO(),
                script=Script("inference.py"),
                open_script=functools.partial(io.BytesIO, script),
                open_model=functools.partial(io.BytesIO, model),
            )
        except PermanentError:
            totals["refused"] += 1


@fuzz
@given(st.sampled_from(sorted(NAMES)), st.binary(max_size=2_000))
def test_random_bytes(name: str, content: bytes) -> None:
    look_at(name, content)


@fuzz
@given(st.sampled_from(FILES), st.data())
def test_real_files_with_faults(file: Path, data: st.DataObject) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(["change", "cut", "double", "insert"]))
        if kind == "change" and content:
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 500))]
        elif kind == "double":
            content[place:place] = content[place : place + data.draw(st.integers(1, 500))]
        else:
            content[place:place] = data.draw(st.binary(max_size=20))
    look_at(file.name, bytes(content))


@fuzz
@given(st.data())
def test_archives_with_faults(data: st.DataObject) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for file in data.draw(st.lists(st.sampled_from(FILES), max_size=3)):
            name = data.draw(st.sampled_from([file.name, f"a/{file.name}", "../x", "/y", "é"]))
            info = tarfile.TarInfo(name)
            info.type = data.draw(st.sampled_from([tarfile.REGTYPE] * 4 + [tarfile.SYMTYPE]))
            info.size = file.stat().st_size
            tar.addfile(info, io.BytesIO(file.read_bytes()))
    content = bytearray(raw.getvalue())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    packed = bytearray(gzip.compress(bytes(content), 1))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    look_at("model.tar.gz", bytes(packed))


@fuzz
@given(st.binary(max_size=500))
def test_pickles(content: bytes) -> None:
    totals["pickles"] += 1
    try:
        found = pickle_reader.read(content)
    except pickle_reader.PickleError as error:
        assert str(error), "it says why"  # noqa: PT017 - most bytes are no error
    else:
        assert pickle_reader.read(content) == found, "the same bytes say the same"


@fuzz
@given(st.binary(max_size=500))
def test_messages(content: bytes) -> None:
    totals["messages"] += 1
    try:
        found = list(protobuf_wire.Reader(Budget()).fields(memoryview(content)))
    except protobuf_wire.WireError as error:
        assert str(error), "it says why"  # noqa: PT017 - most bytes are no error
    else:
        assert len(found) <= len(content), "a field has a byte at least"


@fuzz
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_scripts_of_python(pieces: list[str]) -> None:
    look_at("inference.py", "".join(pieces).encode())


@fuzz
@given(st.text(max_size=500))
def test_scripts(text: str) -> None:
    look_at("inference.py", text.encode(errors="surrogatepass"))


def test_something_was_tried_of_each_kind() -> None:
    """A generator that makes nothing would pass every test above."""
    print(f"\nfuzzed: {dict(totals)}")
    assert {"pickles", "messages"} < set(totals)
    assert min(totals.values()) >= 10, dict(totals)
