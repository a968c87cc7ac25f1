"""Small files that ask for much: whatever a reader is given, its time and memory are bounded.

Broken bytes, as in the fuzz run, do not find these: each is a sound file of its kind, made to
grow as it is read.
"""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import os
import pickle
import resource
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from neo_jobs.repack import Script, write_archive
from neo_jobs.storage import Refused

from neo_constructs.archive.check_model import check_model
from neo_constructs.archive.inspection import inspect
from neo_constructs.archive.model_file import recognise
from neo_constructs.archive.payload import check_payloads
from tests.lifecycle.events import archive

SECONDS = 20
MEMORY = 256 << 20  # above what the interpreter has
PRINTED = 10_000


# --- the files --------------------------------------------------------------------------------


def shared(levels: int, last: bytes) -> bytes:
    """Return a pickle of tuples, each of which is twice the one before: 2 ** levels leaves."""
    steps = [b"\x80\x02", b"K\x01"]
    for number in range(levels):
        steps += [b"q" + bytes([number % 256]), b"h" + bytes([number % 256]), b"\x86"]
    return b"".join([*steps, last])


def torch_file(data: bytes, code: str = "class M(Module):\n  pass\n", inputs: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("m/data.pkl", data)
        packed.writestr("m/constants.pkl", pickle.dumps((), 2))
        packed.writestr("m/code/__torch__.py", code)
        packed.writestr("m/version", "3")
        if inputs:
            packed.writestr("m/traced_inputs.pkl", inputs)
    return out.getvalue()


def module() -> bytes:
    return b"\x80\x02c__torch__\nM\n)\x81}X\x08\x00\x00\x00training\x89sb."


def shared_keys() -> bytes:
    return torch_file(shared(40, b"}h\x27K\x01s."))


def shared_names() -> bytes:
    return torch_file(shared(40, b"h\x27\x93."))


def a_signature_of_arguments() -> bytes:
    code = "class M(Module):\n  def forward(self: __torch__.M" + ", a: T" * 1_500 + ",\n    b"
    return torch_file(module(), code)


def a_dimension_of_a_million_digits() -> bytes:
    huge = b"\x8b" + struct.pack("<i", 400_000) + b"\x7f" * 400_000
    call = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
        b"ctorch\nFloatStorage\ntQK\x00"
    )
    inputs = b"\x80\x02}X\x07\x00\x00\x00forward](" + call + b"(" + huge + b"tK\x00)tRes."
    return torch_file(module(), inputs=inputs)


def tar_of(*headers: tuple[str, bytes, int, bytes], rest: bytes = b"") -> bytes:
    blocks = []
    for name, kind, size, content in headers:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, size
        blocks.append(info.tobuf(tarfile.GNU_FORMAT) + content)
    return gzip.compress(b"".join(blocks) + rest, 9)


def a_long_name_of_four_gigabytes() -> bytes:
    return tar_of(("x", tarfile.GNUTYPE_LONGNAME, 4 << 30, b""), rest=bytes(32 << 20))


def a_pax_header_of_four_gigabytes() -> bytes:
    return tar_of(("x", tarfile.XHDTYPE, 4 << 30, b""), rest=bytes(32 << 20))


def long_names_without_end() -> bytes:
    one = ("x", tarfile.GNUTYPE_LONGNAME, 5, b"name\0".ljust(512, b"\0"))
    return tar_of(*[one] * 5_000)


def global_headers_without_end() -> bytes:
    content = b"13 comment=x\n"
    one = ("x", tarfile.XGLTYPE, len(content), content.ljust(512, b"\0"))
    return tar_of(*[one] * 5_000)


def long_names_of_many() -> bytes:
    name = b"n" * 60_000 + b"\0"
    pair = [
        ("x", tarfile.GNUTYPE_LONGNAME, len(name), name.ljust(-(-len(name) // 512) * 512, b"\0")),
        ("x", tarfile.REGTYPE, 0, b""),
    ]
    return tar_of(*pair * 3_000)


def a_million_folders() -> bytes:
    return tar_of(*[("d", tarfile.DIRTYPE, 0, b"")] * 300_000)


def zeros() -> bytes:
    return tar_of(("model.pth", tarfile.REGTYPE, 3 << 30, b""), rest=bytes(512 << 20))


def deep_json() -> bytes:
    return b'{"nodes": ' + b"[" * 200_000 + b"]" * 200_000 + b', "mxnet_version": 1}'


def numbers_without_end() -> bytes:
    return b'{"nodes": [], "arg_nodes": ' + b"9" * 5_000_000 + b', "heads": []}'


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "tuples that share, as keys": ("model.pth", shared_keys),
    "tuples that share, as names": ("model.pth", shared_names),
    "a signature that does not end": ("model.pth", a_signature_of_arguments),
    "a dimension of a million digits": ("model.pth", a_dimension_of_a_million_digits),
    "a long name of 4 GiB": ("model.tar.gz", a_long_name_of_four_gigabytes),
    "a PAX header of 4 GiB": ("model.tar.gz", a_pax_header_of_four_gigabytes),
    "long names without end": ("model.tar.gz", long_names_without_end),
    "global headers without end": ("model.tar.gz", global_headers_without_end),
    "long names of many members": ("model.tar.gz", long_names_of_many),
    "a million folders": ("model.tar.gz", a_million_folders),
    "zeros": ("model.tar.gz", zeros),
    "deep JSON": ("model-symbol.json", deep_json),
    "a number without end": ("model-symbol.json", numbers_without_end),
}


# --- the limits -------------------------------------------------------------------------------


def read_everything(path: Path) -> int:
    """Read a file in every way there is, and return how much would be printed."""
    said = [str(f) for f in (*inspect(path).findings, *check_payloads(path))]
    model = recognise(path)
    if model:
        said += [str(f) for f in check_model(model)]
        said.append(json.dumps(model.data_input_config()))
    return len("\n".join(said))


def serve(path: Path) -> int:
    """Let the worker read a file as a script and as a compiled artifact."""
    script = archive({"inference.py": b""})
    said = []
    for code, model in ((path.read_bytes(), script), (script, path.read_bytes())):
        with Path(os.devnull).open("wb") as out:
            try:
                write_archive(
                    out,
                    script=Script("inference.py"),
                    open_script=partial(io.BytesIO, code),
                    open_model=partial(io.BytesIO, model),
                )
            except Refused as refused:
                said.append(str(refused))
    return len("\n".join(said))


def bounded(read: Callable[[Path], int], path: Path) -> None:
    """Read in this process, and end it if that takes too much."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    printed = read(path)
    os._exit(0 if printed < PRINTED else 3)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
@pytest.mark.parametrize("read", [read_everything, serve], ids=["readers", "worker"])
@pytest.mark.parametrize("name", FILES)
def test_time_and_memory_are_bounded(
    name: str, read: Callable[[Path], int], tmp_path: Path
) -> None:
    file, make = FILES[name]
    path = tmp_path / file
    path.write_bytes(make())
    process = multiprocessing.get_context("fork").Process(target=bounded, args=(read, path))
    process.start()
    process.join(3 * SECONDS)
    alive = process.is_alive()
    process.kill()
    assert not alive, "it takes more than a minute"
    assert process.exitcode == 0, {
        -24: "it takes too much time",
        1: "it takes too much memory, or breaks",
        3: "it prints too much",
    }.get(process.exitcode or 0, process.exitcode)


def test_the_limits_would_be_noticed(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing."""

    def wasteful(_path: Path) -> int:
        return len(bytearray(2 * MEMORY))

    def talkative(_path: Path) -> int:
        return PRINTED

    for read in (wasteful, talkative):
        process = multiprocessing.get_context("fork").Process(target=bounded, args=(read, tmp_path))
        process.start()
        process.join()
        assert process.exitcode
