"""``neo sandbox run -- COMMAND``: a command against an emulated AWS."""

from __future__ import annotations

import shutil
import sys
from typing import Final

import click

from neo_constructs.cli.arguments import end_as_interrupted, fail, say

MINUTES: Final = 20.0
NO_COMMAND: Final = 127  # as shells have it
TIMED_OUT: Final = 124  # as timeout(1) has it


@click.group()
def sandbox() -> None:
    """Work against an emulated AWS: no account, no Docker."""


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.option("--port", type=click.IntRange(1, 65535), help="Default: one that is free.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="End COMMAND after this time. Default: 20, and no limit where somebody types.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(port: int | None, minutes: float | None, command: tuple[str, ...]) -> None:
    r"""Run COMMAND against an emulated AWS, and end the emulator with it.

    IAM is enforced, Lambda functions really run, and an endpoint answers by running its script.
    Nothing is compiled, and nothing can reach the real AWS. Exits as COMMAND does, with 128 + n if
    a signal ended it, with 124 after --minutes, and with 127 if there is no such command.

    \b
    neo sandbox run -- npx --yes aws-cdk@2 deploy --all --require-approval never
    neo sandbox run -- bash
    """
    try:
        from neo_constructs.sandbox.emulator import SandboxError
        from neo_constructs.sandbox.emulator import sandbox as emulated
        from neo_constructs.sandbox.processes import CommandTimeoutError, is_in_terminal
    except ImportError as error:
        fail(
            f"The sandbox needs the extra 'sandbox' ({error}): pip install neo-constructs[sandbox]"
        )
    if shutil.which(command[0]) is None:
        say(f"There is no command {command[0]!r} on the PATH.", err=True)
        sys.exit(NO_COMMAND)
    if minutes is None:
        minutes = None if is_in_terminal() else MINUTES
    # Whoever ends this process, by a signal that can be caught, ends what it started too.
    end_as_interrupted()
    try:
        with emulated(port=port, progress=_say_step) as running:
            click.echo(f"Sandbox: an emulated AWS at {running.endpoint}, IAM enforced.", err=True)
            code = running.run(command, seconds=None if minutes is None else minutes * 60)
    except CommandTimeoutError as error:
        say(str(error), err=True)
        sys.exit(TIMED_OUT)
    except SandboxError as error:
        fail(str(error))
    except KeyboardInterrupt:
        click.echo("Interrupted; the sandbox has ended.", err=True)
        sys.exit(130)
    sys.exit(code)


def _say_step(step: str) -> None:
    say(f"Sandbox: {step} ...", err=True)
