"""`NAME=VALUE` options, alone and in the commands that have them."""

import re

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.cli.app import create_cli
from producers.cli.terminal.pairs import pairs_of

NAMES = st.text(min_size=1).filter(lambda text: "=" not in text)
ENVIRONMENT = {"SCRIBE_API_KEY": "k", "SCRIBE_API_URL": "http://127.0.0.1:9", "SCRIBE_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
TWICE = [
    "submit https://a.example/x --metadata a=1 --metadata a=2",
    "submit https://a.example/x --via kafka --tenant acme --metadata a=1 --metadata a=1",
    "jobs --metadata a=1 --metadata a=2",
    "tenants set acme --retention audio=7 --retention audio=forever",
    "tenants set acme --quota queued=7 --quota queued=none",
]
OF_NO_FORM = [
    "submit https://a.example/x --metadata a",
    "jobs --metadata =1",
    "tenants set acme --retention audio",
    "tenants set acme --quota =7",
]


@given(st.dictionaries(NAMES, st.text()))
def test_pairs_are_read_as_they_are_written(pairs: dict[str, str]) -> None:
    assert pairs_of("--x", [f"{name}={value}" for name, value in pairs.items()]) == pairs


@given(NAMES, st.text(), st.text())
def test_a_name_that_comes_twice_is_refused(name: str, first: str, second: str) -> None:
    with pytest.raises(typer.BadParameter, match=re.escape(f"'{name}' is given more than once")):
        pairs_of("--x", [f"{name}={first}", f"{name}={second}"])


@pytest.mark.parametrize("line", [*TWICE, *OF_NO_FORM])
def test_commands_refuse_it_before_anything_is_asked(line: str) -> None:
    done = CliRunner().invoke(create_cli(), line.split(), prog_name="scribe", env=ENVIRONMENT)
    assert (done.exit_code, done.stdout) == (2, ""), done.exception
    words = "is given more than once" if line in TWICE else "=VALUE"
    assert words in done.stderr
    assert line.split()[-2] in done.stderr
