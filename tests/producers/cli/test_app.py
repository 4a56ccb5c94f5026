"""The commands as a whole: each explains itself on 80 columns."""

import pytest
from typer.testing import CliRunner

from producers.cli.app import create_cli

COMMANDS = [
    "",
    "submit",
    "jobs",
    "status",
    "watch",
    "result",
    "cancel",
    "models",
    "enhance",
    "topics",
    "topics apply",
    "topics check",
]
COMMANDS += ["keys", "keys create", "keys list", "keys revoke", "schemas", "schemas register", "schemas check"]
COMMANDS += ["database", "database migrate", "webhooks"]
COMMANDS += [f"webhooks {name}" for name in ("list", "show", "secret", "rotate", "enable", "disable", "reencrypt")]
COMMANDS += [f"webhooks {name}" for name in ("deliveries", "redeliver", "test")]
COMMANDS += ["erase", "hold", "hold set", "hold release", "hold list"]
COMMANDS += ["dlq", "dlq list", "dlq show", "dlq redrive", "dlq discard", "replay"]
COMMANDS += ["tenants", "tenants set", "tenants show", "tenants list"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_says_what_it_does(command: str) -> None:
    shown = CliRunner().invoke(create_cli(), [*command.split(), "--help"], prog_name="scribe", env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert any(line.strip().startswith(f"Usage: scribe {command}".strip()) for line in lines)


@pytest.mark.parametrize(
    "command",
    ["", "submit", "jobs", "status", "watch", "result", "cancel", "topics apply", "keys create", "tenants set"],
)
def test_help_teaches_with_examples(command: str) -> None:
    shown = CliRunner().invoke(create_cli(), [*command.split(), "--help"], prog_name="scribe", env={"COLUMNS": "80"})
    assert f"scribe {command}".strip() in shown.output.split("Usage:", 1)[1].split("\n", 1)[1]
