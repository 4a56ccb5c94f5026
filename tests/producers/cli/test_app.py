"""The commands as a whole: each explains itself on 80 columns and in a pipe."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from producers.cli.app import create_cli
from schemas.command_line import DISTRIBUTION
from tests.structure.test_command_lines import declared

COMMANDS = ["", *{words for words, _ in declared(create_cli())}]
COMMANDS = sorted({*COMMANDS, *(words.rpartition(" ")[0] for words in COMMANDS)})


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(create_cli(), arguments, prog_name="scribe", env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_says_what_it_does(command: str) -> None:
    lines = shown(*command.split(), "--help").splitlines()
    assert max(len(line) for line in lines) <= 80
    assert lines[0].startswith(f"Usage: scribe {command}".strip())
    assert "[/" not in "\n".join(lines)


@pytest.mark.parametrize(
    "command",
    [
        *("submit", "jobs", "status", "watch", "result", "cancel", "topics apply", "keys create", "tenants set"),
        *("dlq redrive", "dlq skip"),
    ],
)
def test_help_teaches_with_examples(command: str) -> None:
    """On lines of their own, whole, to be copied."""
    lines = [line.strip() for line in shown(*command.split(), "--help").splitlines()[1:]]
    assert any(line.startswith(f"scribe {command} ") or f"(scribe {command} " in line for line in lines)


@pytest.mark.parametrize("command", ["", "dlq"])
def test_a_group_alone_shows_its_help_and_is_a_mistake(command: str) -> None:
    done = CliRunner().invoke(create_cli(), command.split(), prog_name="scribe")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == shown(*command.split(), "--help")


def test_the_version_is_that_of_the_package() -> None:
    assert shown("--version") == f"scribe {version(DISTRIBUTION)}\n"


@pytest.mark.parametrize(
    ("line", "meant"), [("submti x", "submit"), ("dlq redrvie", "redrive"), ("submit x --langauge he", "--language")]
)
def test_a_misspelt_word_is_answered_with_the_right_one(line: str, meant: str) -> None:
    done = CliRunner().invoke(create_cli(), line.split(), prog_name="scribe")
    assert done.exit_code == 2
    assert meant in done.stderr.splitlines()[-1]
