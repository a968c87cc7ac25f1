"""``neo package``: write the model.tar.gz that Neo takes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neo_constructs.archive.packing import fingerprint, members_of, pack
from neo_constructs.archive.validation import validate
from neo_constructs.catalog.framework import Framework
from neo_constructs.cli.arguments import parse_all
from neo_constructs.errors import errors_among

SUFFIXES = (".tar.gz", ".tgz")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", default="model.tar.gz", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--framework", help="Such as pytorch:2.0. Default: the model's file says it.")
def package(paths: tuple[Path, ...], output: Path, framework: str | None) -> None:
    """Pack PATHS, model files or folders, into an archive at the top of which they lie.

    The same files always give the same members. The archive is checked before it appears: what Neo
    would refuse is not written. Exits 1 if there are errors, 2 if a file cannot be read.
    """
    (parsed,) = parse_all((framework, Framework.parse))
    if not output.name.endswith(SUFFIXES):
        raise click.UsageError(f"{str(output)!r} must end in .tar.gz: the API asks for it.")
    members: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            click.echo(f"There is no file or folder at {str(path)!r}.", err=True)
            sys.exit(2)
        for name, file in members_of(path).items():
            if name in members:
                raise click.UsageError(f"{str(members[name])!r} and {str(file)!r} have one name.")
            members[name] = file
    draft = output.with_name(f".{output.name}.draft.tar.gz")
    try:
        pack(members, draft)
        findings = validate(draft, framework=parsed).findings
        for finding in findings:
            text = str(finding).replace(str(draft), str(output))
            click.echo(f"{finding.level.capitalize()}: {text}", err=True)
        if errors_among(findings):
            sys.exit(1)
        draft.replace(output)
    except OSError as error:
        click.echo(f"The archive could not be written: {error}.", err=True)
        sys.exit(2)
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{output}: {len(members)} files, fingerprint {fingerprint(members)}")
