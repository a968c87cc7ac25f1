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
from click.testing import CliRunner
from neo_jobs.archive_writer import Script, write_archive
from neo_jobs.errors import PermanentError

from neo_constructs.cli.validate import validate
from tests import wire
from tests.lifecycle.events import archive

SECONDS = 20
MEMORY = 256 << 20  # above what the interpreter has
PRINTED = 10_000
SMALL = 4 << 20
# By themselves as long as all the others: in make fuzz only.
SLOW = {
    "a million folders: serve", "records of many members: serve", "zeros: serve",
    "a million folders: read_everything", "records of many members: read_everything",
    "many nodes: read_everything", "many graphs: read_everything",
    "a bomb by another method: read_everything", "a file of holes: read_everything",
    "a directory whose size is a mark: read_everything",
}  # fmt: skip
# tarfile's own fault (CVE-2024-6232), mended in the Python that AWS Lambda has.
MENDED = {"digits without end: serve", "a record of digits: serve"}


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
    return tar_of(*[("d", tarfile.DIRTYPE, 0, b"")] * 120_000)


def zeros() -> bytes:
    return tar_of(("model.pth", tarfile.REGTYPE, 3 << 30, b""), rest=bytes(128 << 20))


def deep_json() -> bytes:
    return b'{"nodes": ' + b"[" * 200_000 + b"]" * 200_000 + b', "mxnet_version": 1}'


def numbers_without_end() -> bytes:
    return b'{"nodes": [], "arg_nodes": ' + b"9" * 5_000_000 + b', "heads": []}'


# What strangers have found: each of these once took minutes, gigabytes, or megabytes of output.


def record(key: str, value: bytes) -> bytes:
    """Return a PAX record, with its own length before it."""
    rest = f" {key}=".encode() + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def pax(content: bytes, kind: bytes = tarfile.XHDTYPE) -> tuple[str, bytes, int, bytes]:
    return ("x", kind, len(content), content.ljust(-(-len(content) // 512) * 512, b"\0"))


EMPTY = ("y", tarfile.REGTYPE, 0, b"")


def digits_without_end() -> bytes:
    return tar_of(*[header for _ in range(10) for header in (pax(b"1" * 65_000), EMPTY)])


def a_record_of_digits() -> bytes:
    digits = record("comment", b"1" * 60_000)
    return tar_of(*[header for _ in range(10) for header in (pax(digits), EMPTY)])


def a_size_below_nothing() -> bytes:
    huge = b"%d" % (1 << 60)
    return tar_of(
        pax(record("size", b"-" + huge)), ("d", tarfile.DIRTYPE, 0, b""),
        pax(record("size", huge)), ("z", b"Z", 0, b""),
    )  # fmt: skip


def global_records_without_end() -> bytes:
    content = b"".join(record(f"k{number}", b"v") for number in range(4_000))
    return tar_of(*[h for _ in range(30) for h in (pax(content, tarfile.XGLTYPE), EMPTY)])


def records_of_many_members() -> bytes:
    content = b"".join(record(f"k{number}", b"v") for number in range(4_000))
    return tar_of(*[header for _ in range(1_000) for header in (pax(content), EMPTY)])


def names_of_a_page() -> bytes:
    names = (record("path", b"%06d" % number + b"n" * 65_000) for number in range(2_000))
    return tar_of(*[header for name in names for header in (pax(name), EMPTY)])


def a_name_of_folders() -> bytes:
    return tar_of(*[h for _ in range(500) for h in (pax(record("path", b"/a" * 32_000)), EMPTY)])


def a_member_without_a_name() -> bytes:
    return tar_of((".", tarfile.REGTYPE, 1, b"x".ljust(512, b"\0")))


def a_name_with_nothing_in_it() -> bytes:
    return tar_of(pax(record("path", b"a\0b.pth")), ("q", tarfile.REGTYPE, 1, bytes(512)))


def a_name_that_forges_a_line() -> bytes:
    name = record("path", b"a\n0 errors, 0 warnings\n/m.pth")
    return tar_of(pax(name), ("q", tarfile.REGTYPE, 1, bytes(512)))


def many_graphs() -> bytes:
    graph = onnx_of(wire.field(5, wire.field(1, 1) * 400_000))
    padded = graph.ljust(-(-len(graph) // 512) * 512, b"\0")
    return tar_of(*[(f"m{n}.onnx", tarfile.REGTYPE, len(graph), padded) for n in range(20)])


def onnx_of(graph: bytes) -> bytes:
    return wire.field(1, 7) + wire.field(7, graph) + wire.field(8, wire.field(2, 12))


def inputs_without_names() -> bytes:
    return onnx_of(wire.field(11, b"") * 1_900_000)


def many_inputs() -> bytes:
    return onnx_of(b"".join(wire.field(11, wire.onnx_value(f"x{n}")) for n in range(200_000)))


def a_long_input() -> bytes:
    return onnx_of(wire.field(11, wire.field(1, b"n" * (100 << 20))))


def an_input_that_forges_a_line() -> bytes:
    return onnx_of(wire.field(11, wire.onnx_value("x\n0 errors, 0 warnings")))


def many_placeholders() -> bytes:
    return wire.field(1, wire.field(1, "x") + wire.field(2, "Placeholder")) * 1_900_000


def many_nodes() -> bytes:
    return wire.field(1, wire.field(1, "x") + wire.field(2, "Add")) * 1_900_000


def wide_json() -> bytes:
    return b'{"nodes": [' + b"[]," * 3_000_000 + b'[]], "arg_nodes": [], "heads": []}'


def keras_of(config: bytes) -> bytes:
    return b"\x89HDF\r\n\x1a\n" + b'{"class_name": "Functional", "config": ' + config + b"}"


def wide_keras() -> bytes:
    return keras_of(b"[" + b"[]," * 5_000_000 + b"[]]")


def many_layers() -> bytes:
    layer = b'{"class_name": "InputLayer", "config": {"name": "x%d", "batch_shape": [1, 2]}}'
    layers = b",".join(layer % number for number in range(40_000))
    return keras_of(b'{"layers": [' + layers + b"]}")


def a_shape_of_millions() -> bytes:
    shape = b"1," * 1_500_000 + b"1"
    return keras_of(
        b'{"layers": [{"class_name": "InputLayer", "config": {"name": "x", "batch_shape": ['
        + shape + b"]}}]}"
    )  # fmt: skip


def a_layer_that_is_a_list() -> bytes:
    return keras_of(b'{"layers": [{"class_name": "InputLayer", "config": []}]}')


def a_file_of_holes() -> bytes:
    return b"\x89HDF\r\n\x1a\n" + bytes(200 << 20)


def a_wide_tensor() -> bytes:
    """Return a trace whose inputs share one shape of very many sizes."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
        b"ctorch\nFloatStorage\ntQK\x00(" + b"K\x01" * 200_000 + b"ttR"
    )
    traced = b"\x80\x02}X\x07\x00\x00\x00forward](" + tensor + b"q\x01" + b"h\x01" * 80_000 + b"es."
    return torch_file(module(), inputs=traced)


def keys_that_collide() -> bytes:
    keys = (pickle.encode_long(number * (2**61 - 1)) for number in range(1, 100_000))
    steps = b"".join(b"\x8a" + bytes([len(key)]) + key + b"N" for key in keys)
    return torch_file(b"\x80\x02}(" + steps + b"u.")


def a_bomb_by_another_method() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("m/data.pkl", bytes(400 << 20))
        packed.writestr("m/constants.pkl", b"")
        packed.writestr("m/code/__torch__.py", b"")
    return out.getvalue()


def a_directory_that_lies() -> bytes:
    entry = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    entries = (entry + b"a") * 400_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entries), 64, 0)
    return b"PK\x03\x04" + bytes(60) + entries + end


def a_directory_whose_size_is_a_mark() -> bytes:
    """Return a zip of which the end record has the mark of one within it."""
    size = int.from_bytes(b"PK\x05\x06", "little")
    entry = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    entries = ((entry + b"a") * (size // 47 + 1))[:size]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 64, 0)
    return b"PK\x03\x04" + bytes(60) + entries + end


def operators_of_dropout() -> bytes:
    return torch_file(module(), "class M(Module):\n  torch." + "dropout" * 200_000)


def a_long_gzip_name() -> bytes:
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (12 << 20)


def noise_after_a_header() -> bytes:
    return b"\x1f\x8b\x08\x00" + bytes(6) + bytes(range(256)) * (40 << 10)


def many_statements() -> bytes:
    return b"a=1\n" * 400_000


def a_function_of_many_statements() -> bytes:
    return b"def model_fn(d):\n" + b" a=1\n" * 40_000


def a_list_of_a_quarter_megabyte() -> bytes:
    return b"a = [" + b"1," * 120_000 + b"]\n"


def many_parameters() -> bytes:
    return b"def model_fn(" + b",".join(b"p%d" % n for n in range(30_000)) + b"): ...\n"


def a_number_of_digits() -> bytes:
    return b"def model_fn(a, b, c, d=0x" + b"F" * 5_000 + b"): ...\nmodel_fn = 0x" + b"F" * 5_000


def long_modules() -> bytes:
    return b"from " + b"a" * 300 + b" import b\nimport " + b"c" * 300 + b"\n"


def many_imports() -> bytes:
    return b"from helper import a\n" * 10_000


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "digits without end": ("model.tar.gz", digits_without_end),
    "a record of digits": ("model.tar.gz", a_record_of_digits),
    "a size below nothing": ("model.tar.gz", a_size_below_nothing),
    "global records without end": ("model.tar.gz", global_records_without_end),
    "records of many members": ("model.tar.gz", records_of_many_members),
    "names of a page": ("model.tar.gz", names_of_a_page),
    "a name of folders": ("model.tar.gz", a_name_of_folders),
    "a member without a name": ("model.tar.gz", a_member_without_a_name),
    "a name with nothing in it": ("model.tar.gz", a_name_with_nothing_in_it),
    "a name that forges a line": ("model.tar.gz", a_name_that_forges_a_line),
    "many graphs": ("model.tar.gz", many_graphs),
    "inputs without names": ("model.onnx", inputs_without_names),
    "many inputs": ("model.onnx", many_inputs),
    "a long input": ("model.onnx", a_long_input),
    "an input that forges a line": ("model.onnx", an_input_that_forges_a_line),
    "many placeholders": ("model.pb", many_placeholders),
    "many nodes": ("model.pb", many_nodes),
    "wide JSON": ("model-symbol.json", wide_json),
    "wide Keras": ("model.h5", wide_keras),
    "many layers": ("model.h5", many_layers),
    "a shape of millions": ("model.h5", a_shape_of_millions),
    "a layer that is a list": ("model.h5", a_layer_that_is_a_list),
    "a file of holes": ("model.h5", a_file_of_holes),
    "a wide tensor": ("model.pth", a_wide_tensor),
    "keys that collide": ("model.pth", keys_that_collide),
    "a bomb by another method": ("model.pth", a_bomb_by_another_method),
    "a directory that lies": ("model.pth", a_directory_that_lies),
    "a directory whose size is a mark": ("model.pth", a_directory_whose_size_is_a_mark),
    "operators of dropout": ("model.pth", operators_of_dropout),
    "a long gzip name": ("model.tar.gz", a_long_gzip_name),
    "noise after a gzip header": ("model.tar.gz", noise_after_a_header),
    "many statements": ("inference.py", many_statements),
    "a function of many statements": ("inference.py", a_function_of_many_statements),
    "a list of a quarter megabyte": ("inference.py", a_list_of_a_quarter_megabyte),
    "many parameters": ("inference.py", many_parameters),
    "a number of digits": ("inference.py", a_number_of_digits),
    "long modules": ("inference.py", long_modules),
    "many imports": ("inference.py", many_imports),
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
    """Read a file in every way that neo validate has, and return the most that it prints."""
    runs: list[list[str]] = [[str(path)]]
    if path.stat().st_size < SMALL and path.suffix != ".gz":
        runs.append([str(path), "--json"])
    if path.suffix == ".py":
        (path.parent / "helper.py").write_bytes(b"a = 1\n" + b"#" * 200_000)
        (path.parent / "requirements.txt").write_bytes(b"\n" * 1_000_000)
        runs = [["--code", str(path.parent)]]
    elif path.suffix == ".gz":
        runs.append(["--payload", str(path)])
    elif path.suffix == ".h5":
        config = json.dumps({f"y{number}": [1] for number in range(1_000)})
        runs.append([str(path), "--framework", "keras", "--data-input-config", config])
    most = 0
    for arguments in runs:
        result = CliRunner().invoke(validate, arguments)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        assert "\n0 errors, 0 warnings\n/" not in result.output  # a name in a line of its own
        most = max(most, len(result.output.encode()))
    return most


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
            except PermanentError as refused:
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
@pytest.mark.parametrize(
    ("name", "read"),
    [
        pytest.param(name, read, id=f"{name}: {read.__name__}")
        for name, (file, _) in FILES.items()
        for read in (read_everything, serve)
        if read is read_everything or file.endswith(".gz")
    ],
)
def test_time_and_memory_are_bounded(
    name: str, read: Callable[[Path], int], tmp_path: Path
) -> None:
    file, make = FILES[name]
    path = tmp_path / file
    case = f"{name}: {read.__name__}"
    if case in SLOW and "NEO_FUZZ_EXAMPLES" not in os.environ:
        pytest.skip("make fuzz")
    if case in MENDED and sys.version_info < (3, 12, 6):
        pytest.skip("the worker runs on a Python without this fault")
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
