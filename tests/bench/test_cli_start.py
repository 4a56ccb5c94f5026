"""Commands that tell something, or ask the service, start at once, by the CPU time of their processes."""

import os
import subprocess

import pytest

from tests.bench.cli_start import CALLS, MOST_SECONDS, NOBODY, command, measured

UNNEEDED = ("rich.progress", "httpx._main.main", "schemas.settings.kafka", "schemas.settings.gpu", "fastavro")
MOST_MODULES = 600
LOOK = f"""
import atexit, sys
atexit.register(lambda: print(sorted(set(sys.modules) & set({UNNEEDED!r})), len(sys.modules), file=sys.stderr))
"""


def test_every_start_takes_less_than_its_share() -> None:
    found = measured(rounds=3)
    assert {line: seconds for line, seconds in found.items() if seconds >= MOST_SECONDS and line not in CALLS} == {}


@pytest.mark.parametrize("line", CALLS)
def test_who_asks_the_service_imports_only_what_that_needs(line: str) -> None:
    """By modules and not by time: a machine that is busy makes all of it slower, and these are near the limit."""
    python, option, code = command(line)[:3]
    values = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
    arguments = [python, option, LOOK + code, *command(line)[3:]]
    done = subprocess.run(arguments, env={**values, **NOBODY}, capture_output=True, text=True, check=False)
    told, unneeded = done.stderr.splitlines()
    assert told.startswith("http://127.0.0.1:9 does not answer")
    found, _, number = unneeded.rpartition(" ")
    assert found == "[]"
    assert int(number) <= MOST_MODULES
