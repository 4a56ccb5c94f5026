"""The command line: what it offers, and how a wrong environment is told."""

import os
import re
import subprocess
import sys

import pytest

from schemas.settings.base import variable_of
from sink.webhooks.secrets import new_key


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
    return subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_help_names_each_process() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert re.findall(r"^  (\w+)  ", done.stdout.partition("Commands:")[2], re.MULTILINE) == [
        "persist",
        "enhance",
        "webhooks",
        "dispatch",
        "retention",
    ]


def test_the_former_name_of_a_process_still_starts_it() -> None:
    assert run("retain", "--help").stdout == run("retention", "--help").stdout.replace("retention", "retain", 1)


@pytest.mark.parametrize("command", ["webhooks", "dispatch"])
def test_a_missing_key_ends_the_process_with_what_to_do(command: str) -> None:
    done = run(command)
    assert done.returncode == 1
    assert done.stderr == (
        f"{variable_of('webhook_key')}: is not set; make one with `python -m sink.webhooks.secrets`\n"
    )


def test_all_mistakes_of_the_environment_are_told_together() -> None:
    done = run("webhooks", SCRIBE_KAFKA_BOOTSTRAP="nowhere", SCRIBE_TIME_SCALE="7", SCRIBE_WEBHOOK_KEY=new_key())
    assert done.returncode == 1
    assert {line.partition(":")[0] for line in done.stderr.splitlines()} == {
        "SCRIBE_KAFKA_BOOTSTRAP",
        "SCRIBE_TIME_SCALE",
    }
