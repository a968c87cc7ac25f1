"""S3 as the worker uses it, on files: so that its own time and memory are what is measured."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "lambda"))


class Store:
    """One object that is read, one that is written in parts."""

    def __init__(self, source: Path, made: Path) -> None:
        self._source = source
        self._made = made
        self._size = 0

    def get_object(self, *, Key: str, Range: str, **_: Any) -> dict[str, Any]:
        """Read a range."""
        first, _dash, last = Range.removeprefix("bytes=").partition("-")
        with Path(Key).open("rb") as file:
            file.seek(int(first))
            return {"Body": io.BytesIO(file.read(int(last) - int(first) + 1))}

    def get_paginator(self, _name: str) -> Any:
        """Return no unfinished upload."""
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """Return no page."""
        return []

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        """Begin."""
        self._made.write_bytes(b"")
        return {"UploadId": "1"}

    def upload_part(self, *, PartNumber: int, Body: bytes, **_: Any) -> dict[str, Any]:
        """Write a part where it belongs."""
        with self._made.open("r+b") as file:
            file.seek((PartNumber - 1) * (16 << 20))
            file.write(Body)
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, **_: Any) -> dict[str, Any]:
        """End."""
        return {}


class Idle:
    """No end to the time."""

    def begin(self) -> None:
        """Go on."""

    def go_on(self) -> None:
        """Go on."""

    def end(self) -> None:
        """Go on."""


def repack(source: str, made: str) -> None:
    """Write a serving archive from a compiled one, as the worker does."""
    from neo_jobs.archive_writer import Script, write_archive
    from neo_jobs.transfer import Sizes, Source, Transfer, threads

    compiled = Path(source)
    script = compiled.with_name("sourcedir.tar.gz")
    from neo_constructs.archives.packing import pack

    pack({"inference.py": ROOT / "examples/digits/pytorch/code/inference.py"}, script)
    store = Store(compiled, Path(made))
    transfer = Transfer(store, watch=Idle(), is_worker=True, sizes=Sizes(), executor=threads)

    def opened(path: Path) -> Any:
        return transfer.open(Source("", str(path), "", "", path.stat().st_size))

    with transfer.upload("", "") as upload:
        write_archive(
            upload,
            script=Script("inference.py"),
            open_script=lambda: opened(script),
            open_model=lambda: opened(compiled),
        )
