"""``neo completion``: let a shell complete commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from neo_constructs.cli.console import exit_unusable, say
from neo_constructs.cli.examples import examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        "neo completion bash >> ~/.bashrc",
        "neo completion zsh >> ~/.zshrc",
        "neo completion fish > ~/.config/fish/completions/neo.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what lets a shell complete neo's commands and options.

    Exits 0, or 2 if the shell cannot be asked for its version. Needs bash 4.4 or newer.
    """
    made = get_completion_class(shell)
    assert made  # noqa: S101 - click has one for each of the choices
    try:
        say(made(ctx.find_root().command, {}, "neo", "_NEO_COMPLETE").source())
    except (OSError, RuntimeError) as error:
        exit_unusable(f"{shell} cannot be asked for its version: {error}.")
