"""``neo package``: write the model.tar.gz that Neo takes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from neo_constructs.archives.inspection import is_archive
from neo_constructs.archives.packing import folder_and_file, members_of, pack
from neo_constructs.cli.console import exit_unusable, raise_keyboard_interrupt_on_signal, say
from neo_constructs.cli.examples import examples
from neo_constructs.cli.parameters import any_version, parse_or_exit
from neo_constructs.findings.errors import errors_among
from neo_constructs.plans.validation import validate_members

SUFFIXES = (".tar.gz", ".tgz")
SLOW_BYTES = 64 << 20  # from here it takes seconds


@click.command(
    epilog=examples(
        "neo package model.onnx -o model.tar.gz",
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", default="model.tar.gz", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--framework", help="Such as pytorch:2.0. Default: the model's file says it.")
@click.option("--code", type=click.Path(path_type=Path), help="The script's folder: goes to code/.")
def package(
    paths: tuple[Path, ...], output: Path, framework: str | None, code: Path | None
) -> None:
    """Pack PATHS, model files or folders, into an archive for Neo.

    The same files always give the same members. They are checked before: what Neo would refuse is
    not packed. Exits 1 if there are errors, 2 if a file cannot be read.
    """
    raise_keyboard_interrupt_on_signal()
    (parsed,) = parse_or_exit((framework, any_version))
    if not output.name.endswith(SUFFIXES):
        raise click.UsageError(f"{str(output)!r} must end in .tar.gz: the API asks for it.")
    try:
        members = dict(_members(paths, code, output))
        findings = validate_members(members, output, framework=parsed).findings
        for finding in findings:
            say(f"{finding.level.capitalize()}: {finding}", err=True)
        if errors_among(findings):
            sys.exit(1)
        with _progress(members) as read:
            fingerprint = pack(members, output, progress=read)
    except (OSError, ValueError, EOFError) as error:
        exit_unusable(f"The archive could not be written: {str(error).rstrip('.')}.")
    except KeyboardInterrupt:
        sys.exit(130)
    say(f"{output}: {len(members)} files, fingerprint {fingerprint}")


def _members(
    paths: tuple[Path, ...], code: Path | None, output: Path
) -> Iterator[tuple[str, Path]]:
    """Yield what is packed; exit with 2 at what cannot be."""
    seen: dict[str, Path] = {}
    for path, prefix in (*((path, "") for path in paths), *([(code, "code/")] if code else [])):
        if not path.exists():
            exit_unusable(f"There is no file or folder at {str(path)!r}.")
        if is_archive(path):
            raise click.UsageError(f"{str(path)!r} is an archive already: give what is in it.")
        for name, file in members_of(path).items():
            if file.name == output.name and output.exists() and file.samefile(output):
                continue  # an older archive does not go into the new one
            if prefix + name in seen:
                raise click.UsageError(
                    f"{str(seen[prefix + name])!r} and {str(file)!r} have one name."
                )
            seen[prefix + name] = file
            yield prefix + name, file
    if both := folder_and_file(seen):
        raise click.UsageError(f"{both!r} would be a file and a folder.")


@contextmanager
def _progress(members: Mapping[str, Path]) -> Iterator[Callable[[int], None]]:
    """Show a bar where it takes seconds and someone is watching."""
    size = sum(file.stat().st_size for file in members.values())
    if size < SLOW_BYTES or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=size, label="packing", file=sys.stderr) as bar:
        yield bar.update
