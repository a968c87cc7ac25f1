"""The command line as a whole: its list of verbs, their examples, completion, what is imported."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from neo_constructs.cli.main import VERBS, neo

CONTEXT = click.Context(neo)


def commands() -> dict[str, click.Command]:
    """Return every command that does something, by its words."""
    found = dict[str, click.Command]()
    for name in VERBS:
        command = neo.get_command(CONTEXT, name)
        assert command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
        else:
            found[name] = command
    return found


def test_the_list_of_verbs_says_what_the_verbs_say() -> None:
    for name, (_, line) in VERBS.items():
        command = neo.get_command(CONTEXT, name)
        assert command
        assert (command.help or "").splitlines()[0] == line


@pytest.mark.parametrize("name", commands())
def test_each_verb_has_an_example_that_its_options_fit(name: str) -> None:
    command = commands()[name]
    text = command.epilog or ""
    assert "Example" in text, name
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith("neo ")]
    assert examples
    # On a line of its own, as it is typed.
    assert f"\n    {examples[0]}\n" in CliRunner().invoke(neo, [*name.split(), "--help"]).output
    known = {option for each in command.params for option in each.opts}
    for example in examples:
        assert example.startswith(f"neo {name}"), example
        words = example.split(" -- ")[0].split(" > ")[0].split()
        assert {word for word in words if word.startswith("-")} <= known, example


@pytest.mark.parametrize("name", commands())
def test_each_verb_says_how_it_exits(name: str) -> None:
    text = " ".join((commands()[name].help or "").split())
    assert "Exits" in text, name


def test_there_is_a_version_and_no_colour() -> None:
    done = CliRunner().invoke(neo, ["--version"], color=True)
    assert done.exit_code == 0
    assert "version" in done.output
    helped = CliRunner().invoke(neo, ["validate", "--help"], color=True)
    assert "\x1b[" not in helped.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell: str) -> None:
    done = CliRunner().invoke(neo, ["completion", shell])
    assert done.exit_code == 0
    assert "_NEO_COMPLETE" in done.output


def test_an_unknown_verb_is_two() -> None:
    done = CliRunner().invoke(neo, ["reveiw"])
    assert done.exit_code == 2
    assert "No such command" in done.output


def test_the_list_of_verbs_imports_none_of_them() -> None:
    code = (
        "import sys; from neo_constructs.cli.main import neo; "
        "neo(['--help'], standalone_mode=False); "
        "print(sorted(m for m in sys.modules if m.startswith('neo_constructs.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = "['neo_constructs.cli', 'neo_constructs.cli.examples', 'neo_constructs.cli.main']"
    assert done.stdout.splitlines()[-1] == loaded
