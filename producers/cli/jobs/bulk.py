"""`scribe bulk`: submits many recordings that lie at addresses, a line of JSON each."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import typer

from producers.cli.clients.rest import rest_client, service_error
from producers.cli.terminal.interruption import Count, telling
from producers.cli.terminal.json_lines import print_json
from producers.client.errors import AnswerLost
from producers.client.operations.jobs import MOST_LINES
from producers.client.sync_client import Client
from producers.messages.exit_codes import MISTAKE, TROUBLE
from producers.messages.plain_text import one_line
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load

Outcome = dict[str, Any]
STDIN = "-"


def bulk(file: str, key: str | None, as_json: bool) -> None:
    """Implements `scribe bulk`."""
    lines = _lines(file)
    key, count = key or str(uuid4()), Count(len(lines))
    again = f"submit the same lines again with --key {key}: no job comes twice"
    refused: set[int] = set()
    with (
        rest_client(load(ClientSettings)) as client,
        telling(lambda: f"interrupted; the outcomes of {count} lines are known; {again}"),
    ):
        try:
            for outcome in _outcomes(client, lines, key):
                count.add()
                _show(outcome, as_json)
                refused |= {outcome["status"]} if outcome["problem"] else set()
        except AnswerLost as error:
            raise service_error(error, client.url, again) from error
    if refused:
        away = any(status >= 500 for status in refused)
        sys.stderr.write("" if as_json else f"some lines have no job{f'; {again}' if away else ''}\n")
        raise typer.Exit(TROUBLE if away else MISTAKE)


def _lines(file: str) -> list[bytes]:
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    if not any(line.strip() for line in content.splitlines()):
        raise typer.BadParameter(f"{file}: has no lines", param_hint="FILE")
    return content.splitlines()


def _outcomes(client: Client, lines: list[bytes], key: str) -> Iterator[Outcome]:
    """The outcome of each line, by its number in the file."""
    for begin in range(0, len(lines), MOST_LINES):
        part = lines[begin : begin + MOST_LINES]
        if any(line.strip() for line in part):
            for outcome in client.submit_lines(b"\n".join(part), idempotency_key=f"{key}-{begin // MOST_LINES}"):
                yield {**outcome.raw, "line": begin + outcome.line}


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json(outcome)
    elif outcome["problem"]:
        problem = outcome["problem"]
        sys.stderr.write(one_line(f"line {outcome['line']}: {problem['title']}: {problem['detail']}") + "\n")
    else:
        sys.stdout.write(f"{outcome['job']['job_id']}\n")
