"""``neo review``: what a synthesized cloud assembly will do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neo_constructs.cli.console import require_extra, say
from neo_constructs.cli.examples import examples
from neo_constructs.findings.errors import ValidationError

FORMATS = ("text", "markdown", "json")


@click.command(
    epilog=examples(
        "neo review",
        "neo review head.out --against base.out --format markdown",
    )
)
@click.argument("cdk_out", default="cdk.out", type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="The assembly that is deployed today: says what the change does. Default: none.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="markdown is for a comment on a pull request.",
)
def review(cdk_out: Path, *, against: Path | None, form: str) -> None:
    """Say what the cloud assembly in CDK_OUT will do, or change.

    A card for each endpoint, rights as sentences, what is reachable from where, warnings, and
    findings that were answered.

    With --against, say what the change does: what compiles again, what is replaced, updated in
    place, deleted or kept, and what CloudFormation would refuse. CDK_OUT is what `cdk synth`
    writes; by default cdk.out. Nothing of an assembly is run, and no account is asked.

    Exits 0, or 2 if an assembly cannot be read.
    """
    if against is not None:
        require_extra("review", "cfnlint", "botocore")
    from neo_constructs.review import rendering
    from neo_constructs.review.assembly import check_contents, read_assembly
    from neo_constructs.review.report import review as review_of
    from neo_constructs.review.values import Assembly

    try:
        roots = read_assembly(cdk_out)
        older = read_assembly(against) if against is not None else None
        check_contents(cdk_out, roots, older or ())
    except ValidationError as error:
        say(str(error), err=True)
        sys.exit(2)
    assembly, found = Assembly(roots), None
    if older is not None:
        from neo_constructs.review.consequences import consequences

        found = consequences(Assembly(older), assembly)
    render = {
        "text": rendering.as_text,
        "markdown": rendering.as_markdown,
        "json": rendering.as_json,
    }[form]
    say(render(review_of(assembly, found)).rstrip("\n"))
