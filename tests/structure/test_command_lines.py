"""The declared commands: each is done by a function that takes what is declared, and costs no library until it runs."""

import inspect
import json
import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
import typer

from gpu_consumers.command import cli as gpu_cli
from gpu_consumers.command import run as run_gpu
from producers.cli.app import create_cli
from producers.commands import run_api, run_relay
from schemas.process.command_line import options_of, work_of
from streams.command import cli as streams_cli
from tests.bench.cli_start import ENTRIES, command, completing

ROOT = Path(__file__).parents[2]
HEAVY = [
    "aiokafka",
    "attr",
    "av",
    "boto3",
    "botocore",
    "click",
    "confluent_kafka",
    "ctranslate2",
    "fastapi",
    "fastavro",
    "faust",
    "httpx",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic_settings",
    "pygments",
    "rich",
    "starlette",
    "structlog",
    "torch",
    "uvicorn",
]
LOOK = f"""
import atexit, json, os, sys
def look():
    print(json.dumps(sorted(set(sys.modules) & set({HEAVY!r}))), file=sys.stderr, flush=True)
atexit.register(look)
end = os._exit
os._exit = lambda status: (look(), end(status))
"""


def declared(app: typer.Typer, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Callable[..., None]]]:
    """Each command of an app with its words."""
    for info in app.registered_commands:
        assert info.callback
        yield " ".join((*words, info.name or info.callback.__name__)), info.callback
    for group in app.registered_groups:
        assert group.typer_instance
        assert isinstance(group.name, str)
        yield from declared(group.typer_instance, (*words, group.name))


COMMANDS = {f"scribe {words}": callback for words, callback in declared(create_cli())}
COMMANDS |= {f"scribe-streams {words}": callback for words, callback in declared(streams_cli)}
COMMANDS |= {f"scribe-gpu {words}": callback for words, callback in declared(gpu_cli)}
COMMANDS |= {"scribe-api": run_api, "scribe-relay": run_relay, "scribe-gpu": run_gpu}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_work_takes_what_is_declared(line: str) -> None:
    """By name and type; what has a callback of its own, such as --version, reaches no work."""
    callback = COMMANDS[line]
    wanted = get_type_hints(callback)
    work = work_of(callback)
    names = [name for name in inspect.signature(callback).parameters if name != "version"]
    if (options := options_of(work)) is not None:
        assert get_type_hints(options) == {name: wanted[name] for name in names}
        return
    taken = get_type_hints(work)
    assert [(name, wanted[name]) for name in names] == [
        (name, taken[name]) for name in inspect.signature(work).parameters
    ]


def imported(line: str, **environment: str) -> list[str]:
    """The libraries that a line imports until it ends."""
    arguments = command(line)
    arguments[2] = f"{LOOK}\n{arguments[2]}"
    done = subprocess.run(
        arguments, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


# one process for a line: what one has imported the next would not import again
LINES = [f"{name} --help" for name in ENTRIES] + [f"{name} --version" for name in ENTRIES]
LINES += ["scribe submit --help", "scribe dlq redrive --help", "scribe webhooks", "scribe nosuch"]


@pytest.mark.parametrize("line", LINES)
def test_what_only_tells_something_imports_no_library(line: str) -> None:
    assert imported(line) == []


@pytest.mark.parametrize("line", ["jobs", "status 7ef7c4ef-72bb-4be2-8f91-869f1aac5855", "models"])
def test_what_asks_the_service_imports_what_that_needs(line: str) -> None:
    """Nothing of Avro, of the shim's own framework, or of what the HTTP client has for people."""
    nobody = {"SCRIBE_API_URL": "http://127.0.0.1:9", "SCRIBE_API_KEY": "k", "no_proxy": "*"}
    assert set(imported(f"scribe {line}", **nobody)) <= {"httpx", "pydantic", "pydantic_settings", "rich"}


@pytest.mark.parametrize(
    "line", ["scribe su", "scribe submit --", "scribe submit --via ", "scribe submit --model ", "scribe dlq redrive --"]
)
def test_completion_imports_no_library(line: str) -> None:
    assert imported("scribe", **completing(line)) == []


def test_the_console_scripts_begin_as_they_are_measured() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    written = {}
    for name, target in scripts.items():
        module, function = target.split(":")
        written[name] = f"from {module} import {function}" + ("" if function == "main" else " as main")
    assert written == ENTRIES
