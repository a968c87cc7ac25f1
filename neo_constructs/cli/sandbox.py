"""``neo sandbox run -- COMMAND``: a command against an emulated AWS."""

from __future__ import annotations

import sys

import click

from neo_constructs.cli.arguments import end_as_interrupted, fail


@click.group()
def sandbox() -> None:
    """Work against an emulated AWS: no account, no Docker."""


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.option("--port", type=click.IntRange(1, 65535), help="Default: one that is free.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="End COMMAND after this time.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(port: int | None, minutes: float, command: tuple[str, ...]) -> None:
    r"""Run COMMAND against an emulated AWS, and end the emulator with it.

    IAM is enforced, Lambda functions really run, and an endpoint answers by running its script.
    Nothing is compiled, and nothing can reach the real AWS. Exits as COMMAND does.

    \b
    neo sandbox run -- npx --yes aws-cdk@2 deploy --all --require-approval never
    """
    try:
        from neo_constructs.sandbox.emulator import SandboxError
        from neo_constructs.sandbox.emulator import sandbox as emulated
        from neo_constructs.sandbox.processes import CommandTimeoutError
    except ImportError as error:
        fail(
            f"The sandbox needs the extra 'sandbox' ({error}): pip install neo-constructs[sandbox]"
        )
    # Whoever ends this process, by a signal that can be caught, ends what it started too.
    end_as_interrupted()
    try:
        with emulated(port=port) as running:
            click.echo(f"Sandbox: an emulated AWS at {running.endpoint}, IAM enforced.", err=True)
            code = running.run(command, seconds=minutes * 60)
    except (SandboxError, CommandTimeoutError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        click.echo("Interrupted; the sandbox has ended.", err=True)
        sys.exit(130)
    sys.exit(code)
