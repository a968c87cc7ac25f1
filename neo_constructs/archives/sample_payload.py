"""The sample payload archive: what Inference Recommender sends to the model, and ``neo run`` too.

Source: SageMaker API reference, RecommendationJobPayloadConfig (one gzip-compressed tar archive,
named ``.tar.gz``; its files are all used, equally often), and InvokeEndpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from neo_constructs.archives.gzip_io import decompressed
from neo_constructs.archives.tar_member import members_in, open_tar
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed

MAX_PAYLOAD_BYTES: Final = 6 * 1024**2  # API reference, InvokeEndpoint, Body
MAX_PAYLOADS: Final = 10_000
MAX_READ_BYTES: Final = 64 * 1024**2
MAX_UNPACKED_BYTES: Final = 1024**3
_NAMED: Final = 5


def too_large(size: int, what: str) -> str:
    """Return what is said of a request or a reply that the service does not pass on, or nothing.

    Source: API reference, InvokeEndpoint: a body has at most 6,291,456 bytes in either direction.
    """
    if size <= MAX_PAYLOAD_BYTES:
        return ""
    return f"The {what} has {size:,} bytes; InvokeEndpoint passes {MAX_PAYLOAD_BYTES:,} at most."


def is_payload_archive(path: Path) -> bool:
    """Whether a file is named as an archive of payloads."""
    return path.name.endswith(".tar.gz")


def read_payloads(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each payload: of an archive's files, or of a file that is one.

    Raises
    ------
    OSError, EOFError, ValueError, TypeError, tarfile.TarError, zlib.error
        If it cannot be read, or a payload is larger than any container takes.
    """
    if not is_payload_archive(path):
        if path.stat().st_size > MAX_READ_BYTES:
            raise ValueError(f"it has more than {MAX_READ_BYTES >> 20} MiB")
        yield path.name, path.read_bytes()
        return
    with decompressed(path) as plain, open_tar(plain) as archive:
        for count, member in enumerate(members_in(archive)):
            if count == MAX_PAYLOADS:
                raise ValueError(f"it has more than {MAX_PAYLOADS:,} members")
            if member.size > MAX_READ_BYTES:
                raise ValueError(f"{member.name} has more than {MAX_READ_BYTES >> 20} MiB")
            stream = archive.extractfile(member) if member.isfile() else None
            if stream:
                yield member.name, stream.read()


def check_payloads(path: Path, *, max_bytes: int = MAX_PAYLOAD_BYTES) -> list[Finding]:
    """Say what is wrong with a sample payload archive.

    Parameters
    ----------
    path
        The archive.
    max_bytes
        The most that one request may have. Default: what InvokeEndpoint takes.
    """
    try:
        is_file = path.is_file()
    except OSError as error:
        return [_finding(path, "payload-unreadable", f"It cannot be read: {error}.", "")]
    if not is_file:
        return [_finding(path, "payload-missing", "There is no such file.", "check the path.")]
    if not is_payload_archive(path):
        message = "A sample payload is taken from a gzip-compressed tar archive, named .tar.gz."
        fix = f"tar czf payload.tar.gz -C {path.parent} {path.name}"
        return [_finding(path, "payload-not-an-archive", message, fix)]
    try:
        return list(_check(path, max_bytes))
    except Exception as error:
        # Whatever is in it: the libraries that read archives raise what they like.
        why = str(error).rstrip(".") or type(error).__name__
        message = f"It cannot be read: {why}."
        return [_finding(path, "payload-unreadable", message, "write the archive again.")]


def _check(path: Path, max_bytes: int) -> Iterator[Finding]:
    others, hidden, large, empty = list[str](), list[str](), list[str](), list[str]()
    files = members = unpacked = 0
    with decompressed(path) as plain, open_tar(plain) as archive:
        for member in members_in(archive):
            name = PurePosixPath(member.name).name
            members += 1
            unpacked += member.size
            if members > MAX_PAYLOADS or unpacked > MAX_UNPACKED_BYTES:
                message = f"It has more than {MAX_PAYLOADS:,} members, or more than 1 GiB in them."
                yield _finding(path, "payload-size", message, "leave a sample of them.")
                return
            if member.isdir():
                continue
            files += 1
            if not member.isfile():
                others.append(member.name)
            elif name.startswith("."):
                hidden.append(member.name)
            elif member.size > max_bytes:
                large.append(f"{member.name} ({member.size} bytes)")
            elif member.size == 0:
                empty.append(member.name)
        plain.read(1 << 20)  # only at its end a gzip stream tells whether it is whole
    if files == len(hidden):
        yield _finding(path, "payload-empty", "It holds no payload.", "put one file into it.")
    if others:
        message = f"It holds links or devices: {listed(others[:_NAMED])}."
        yield _finding(path, "payload-member", message, "put the files themselves into it.")
    if hidden:
        message = f"Hidden files would be sent as payloads too: {listed(hidden[:_NAMED])}."
        fix = "leave them out; macOS adds them unless COPYFILE_DISABLE=1 is set."
        yield _finding(path, "payload-hidden", message, fix)
    if large:
        message = f"A request has at most {max_bytes} bytes: {listed(large[:_NAMED])}."
        yield _finding(path, "payload-size", message, "send smaller ones.")
    if empty:
        message = f"Empty files are payloads too: {listed(empty[:_NAMED])}."
        yield _finding(path, "payload-empty", message, "leave them out.", Level.WARNING)


def _finding(path: Path, code: str, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
    return Finding(code=code, level=level, where=str(path), message=message, fix=fix)
