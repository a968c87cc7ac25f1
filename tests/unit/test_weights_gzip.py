"""gzip for weights: every reader takes it, and it is small for what it is chosen for."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from neo_jobs import weights_gzip
from neo_jobs.weights_gzip import BLOCK, WeightsGzip, strategy_for

RANDOM = random.Random(7)  # noqa: S311 - weights, not secrets
FLOATS = b"".join(struct.pack("<f", RANDOM.gauss(0, 0.02)) for _ in range(100_000))
TEXT = b"".join(f"the line {n} of a script\n".encode() for n in range(40_000))
CASES = {
    "nothing": b"",
    "one byte": b"x",
    "weights": FLOATS,
    "text": TEXT,
    "a whole block": bytes(BLOCK),
    "both, over blocks": FLOATS * 4 + TEXT + FLOATS,
}


def packed(data: bytes, step: int = 65_537) -> bytes:
    out = io.BytesIO()
    with WeightsGzip(out) as writer:
        for start in range(0, len(data), step):
            assert writer.write(data[start : start + step]) == len(data[start : start + step])
    return out.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    data = CASES[name]
    archive = packed(data)
    assert gzip.decompress(archive) == data
    assert archive == packed(data)  # the same each time
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(archive) + reader.flush() == data
    assert reader.unused_data == b""  # one member
    tool = shutil.which("gzip")
    assert tool
    (tmp_path / "a.gz").write_bytes(archive)
    done = subprocess.run([tool, "-dc", tmp_path / "a.gz"], capture_output=True, check=True)
    assert done.stdout == data


def test_a_sample_says_how_a_block_is_written() -> None:
    assert strategy_for(FLOATS) == zlib.Z_HUFFMAN_ONLY
    assert strategy_for(TEXT) == zlib.Z_DEFAULT_STRATEGY
    assert len(packed(FLOATS)) <= len(gzip.compress(FLOATS, 6))
    assert len(packed(TEXT)) <= len(gzip.compress(TEXT, 1)) * 1.05


def test_an_error_leaves_no_end() -> None:
    """A reader must see that the archive is not whole."""
    out = io.BytesIO()

    def write_and_fail() -> None:
        with WeightsGzip(out) as writer:
            writer.write(FLOATS)
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - the one above
        write_and_fail()
    with pytest.raises(EOFError):
        gzip.decompress(out.getvalue())


def test_the_library_and_the_lambda_have_the_same_file(project: Path) -> None:
    other = project / "neo_constructs" / "archives" / "weights_gzip.py"
    assert other.read_bytes() == Path(weights_gzip.__file__).read_bytes()
