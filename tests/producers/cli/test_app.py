"""The commands as a whole: each explains itself on 80 columns and in a pipe."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from producers.cli.app import create_cli
from schemas.process.command_line import DISTRIBUTION
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


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_values_by_what_they_are(command: str) -> None:
    """Not by patterns of `strptime`, by types of Python, or with dots within brackets and behind them."""
    lines = shown(*command.split(), "--help").splitlines()
    usage = lines[0]
    named = [line.partition("  ")[0] for line in (line.strip() for line in lines) if line.startswith("-")]
    assert [text for text in (usage, *named) if set("<>{}%") & set(text) or "]...]" in text or "......" in text] == []


MISTAKES = {
    "jobs --since 17": "'17' is no time, such as 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00+02:00",
    "submit x --expires-at tomorrow": "'tomorrow' is no time",
    "dlq list --until 31.1.2026": "'31.1.2026' is no time",
    "jobs --state runing": "unknown state `runing`; there are queued, transcribing",
    "jobs --state failed,quued": "unknown state `quued`; did you mean `queued`?",
    "jobs --limit x": "'--limit': must be a valid integer",
    "jobs --priority low": "'low' is not one of 'standard', 'express'",
    "submit x --via ftp": "'ftp' is not one of 'rest', 'kafka'",
    "enhance 0b7e1d --enhancement-id x": "'--enhancement-id': must be a valid UUID",
    "webhooks test https://a.example/ --tenant acme --wait soon": "'--wait': must be a valid number",
    "erase --tenant acme": "name a JOB or --recording-id",
    "enhance 0b7e1d": "Invalid value for --summarize, --entities: say what is wanted",
    "watch zz": "Invalid value for 'JOB': 'zz' is neither an id",
    "replay --job zz": "Invalid value for '--job': 'zz' is neither an id",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_plain_words(line: str) -> None:
    done = CliRunner().invoke(create_cli(), line.split(), prog_name="scribe")
    assert (done.exit_code, done.stdout) == (2, "")
    assert MISTAKES[line] in done.stderr
    assert not any(words in done.stderr for words in ("Value error", "Input should", "unable to parse"))


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
