"""``neo sandbox run -- COMMAND``: a command against an emulated AWS."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from neo_constructs.cli.console import (
    exit_unusable,
    raise_keyboard_interrupt_on_signal,
    require_extra,
    say,
)
from neo_constructs.cli.examples import examples
from neo_constructs.cli.progress import Progress

if TYPE_CHECKING:
    from neo_constructs.sandbox.behaviour import Behaviour

MINUTES: Final = 20.0
NO_COMMAND: Final = 127  # as shells have it
TIMED_OUT: Final = 124  # as timeout(1) has it
_SECONDS: Final = click.FloatRange(min=0)


@click.group()
def sandbox() -> None:
    """Work against an emulated AWS: no account, no Docker."""


def behaves(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how long things take, and what fails."""
    for option in (
        click.option(
            "--otherwise",
            multiple=True,
            metavar="ID",
            help="Let AWS do otherwise than an assumption of docs/assumptions.md says.",
        ),
        click.option(
            "--as-assumed", multiple=True, metavar="ID", help="Let it do as the assumption says."
        ),
        click.option("--endpoint-fails", metavar="REASON", help="Let every endpoint fail so."),
        click.option(
            "--compile-fails", metavar="REASON", help="Let every compilation job fail so."
        ),
        click.option(
            "--deployment-step-seconds",
            type=_SECONDS,
            help="How long each step of an update with a deployment policy waits.",
        ),
        click.option("--endpoint-seconds", type=_SECONDS, help="How long an endpoint takes."),
        click.option("--compile-seconds", type=_SECONDS, help="How long a compilation job takes."),
    ):
        command = option(command)
    return command


@sandbox.command(
    name="set",
    epilog=examples(
        'neo sandbox set --compile-fails "ClientError: OperatorNotImplemented: NonZero"',
        "npx --yes aws-cdk@2 deploy --require-approval never",
        "neo sandbox set",
    ),
)
@behaves
def set_behaviour(**told: Any) -> None:
    """Change, from inside a sandbox, what the next deploys meet; without options, put it back.

    See what a failing deploy looks like, in a shell of 'neo sandbox run -- bash'. Exits 0, or 2
    outside a sandbox.
    """
    from neo_constructs.sandbox.behaviour import VARIABLE, Behaviour

    file = os.environ.get(VARIABLE)
    if not file or not Path(file).is_file():
        exit_unusable("This is for inside a sandbox: neo sandbox run -- bash")
    behaviour = _behaviour(told, Behaviour())
    behaviour.write(Path(file))
    for name, value in asdict(behaviour).items():
        say(f"{name.replace('_', ' ')}: {value if value not in ('', {}) else 'no'}")


@sandbox.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "neo sandbox run -- npx --yes aws-cdk@2 deploy --all --require-approval never",
        "neo sandbox run -- bash",
    ),
)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: one that is free.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="End COMMAND after this time. Default: 20, and no limit where somebody types.",
)
@behaves
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(port: int | None, minutes: float | None, command: tuple[str, ...], **told: Any) -> None:
    """Run COMMAND against an emulated AWS, and end the emulator with it.

    IAM is enforced, Lambda functions really run, and an endpoint answers by running its script.
    Nothing is compiled, and there are no credentials for the real AWS. Exits as COMMAND does, with
    128 + n if a signal ended it, with 124 after --minutes, and with 127 if there is no such
    command.
    """
    from neo_constructs.sandbox.behaviour import Behaviour
    from neo_constructs.sandbox.emulator import SandboxError
    from neo_constructs.sandbox.emulator import sandbox as emulated
    from neo_constructs.sandbox.processes import CommandTimeoutError, is_in_terminal

    require_extra("sandbox", "ministack", "boto3")
    if shutil.which(command[0]) is None:
        say(f"There is no command {command[0]!r} on the PATH.", err=True)
        sys.exit(NO_COMMAND)
    if minutes is None:
        minutes = None if is_in_terminal() else MINUTES
    try:
        behaviour = _behaviour(told, Behaviour.of(os.environ))
    except ValueError as error:
        exit_unusable(
            f"NEO_SANDBOX_COMPILE_SECONDS and NEO_SANDBOX_ENDPOINT_SECONDS are numbers: {error}."
        )
    # Whoever ends this process, by a signal that can be caught, ends what it started too.
    raise_keyboard_interrupt_on_signal()
    try:
        with contextlib.ExitStack() as until_the_end:
            with Progress(sys.stderr) as progress:
                running = until_the_end.enter_context(
                    emulated(port=port, behaviour=behaviour, progress=progress.step)
                )
            click.echo(f"Sandbox: an emulated AWS at {running.endpoint}, IAM enforced.", err=True)
            code = running.run(command, seconds=None if minutes is None else minutes * 60)
    except CommandTimeoutError as error:
        say(str(error), err=True)
        sys.exit(TIMED_OUT)
    except SandboxError as error:
        exit_unusable(str(error))
    except KeyboardInterrupt:
        click.echo("Interrupted; the sandbox has ended.", err=True)
        sys.exit(130)
    sys.exit(code)


def _behaviour(told: Mapping[str, Any], usual: Behaviour) -> Behaviour:
    from neo_constructs.sandbox.assumptions import KNOWN
    from neo_constructs.sandbox.behaviour import switches

    given = {name: value for name, value in told.items() if value is not None}
    chosen = switches(given.pop("as_assumed", ()), given.pop("otherwise", ()))
    if unknown := set(chosen) - KNOWN:
        exit_unusable(
            f"No assumption with a switch: {', '.join(sorted(unknown))}. "
            f"Allowed: {', '.join(sorted(KNOWN))}."
        )
    if chosen:
        given["assumptions"] = chosen
    return replace(usual, **given)
