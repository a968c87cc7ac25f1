"""A verb that is ended by a signal leaves nothing in the temporary place, and no process."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

NEO = str(Path(sys.executable).parent / "neo")
DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def big_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive that takes seconds to read: a model of zeros."""
    file = tmp_path_factory.mktemp("big") / "model.tar.gz"
    info = tarfile.TarInfo("model.onnx")
    info.size = 1 << 30
    block = bytes(1 << 24)
    with gzip.GzipFile(file, "wb", compresslevel=1) as out:
        out.write(info.tobuf())
        for _ in range(info.size // len(block)):
            out.write(block)
        out.write(bytes(10240))
    return file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_a_verb_that_is_ended_leaves_nothing(
    verb: str, number: signal.Signals, big_archive: Path, tmp_path: Path
) -> None:
    temporary, script = tmp_path / "temporary", tmp_path / "inference.py"
    temporary.mkdir()
    script.write_text("import time\ntime.sleep(600)\n")
    if verb == "run":
        arguments = [DIGITS / "digits.onnx", "--code", script, "--payload", DIGITS / "image.json"]
    else:
        arguments = [big_archive]
    process = subprocess.Popen(
        [NEO, verb, *map(str, arguments)],
        env={**os.environ, "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one call of the system's
    )
    try:
        until = time.monotonic() + 60
        while not list(temporary.glob("[!.]*")) and time.monotonic() < until:
            assert process.poll() is None, process.communicate()[0].decode()
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode != 0
    assert b"Traceback" not in said, said.decode()
    assert list(temporary.glob("[!.]*")) == []
