"""The ``neo`` command, as far as it goes without the emulator."""

from __future__ import annotations

import socket

from click.testing import CliRunner

from neo_constructs.cli.main import neo


def test_help_names_the_verbs() -> None:
    result = CliRunner().invoke(neo, ["--help"])
    assert result.exit_code == 0
    assert "sandbox" in result.output


def test_a_busy_port_is_one_message() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        result = CliRunner().invoke(neo, ["sandbox", "run", "--port", port, "--", "true"])
    assert result.exit_code == 2
    assert f"The port {port} cannot be used" in result.output
    assert "Leave --port out" in result.output
    assert "Traceback" not in result.output


def test_no_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(neo, ["sandbox", "run"])
    assert result.exit_code == 2
    assert "Missing argument" in result.output
