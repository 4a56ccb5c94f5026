"""`scribe why`: which gate holds a job, through REST for its owner, from database and Kafka for operators."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import print_pairs
from producers.cli.terminal.times import parse_time
from producers.inputs.id_prefix import IdPrefix
from schemas.errors import Rejected
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load


def why(job: IdPrefix, direct: bool, process: list[str] | None, as_json: bool) -> None:
    """Implements `scribe why`."""
    if direct:
        # of Kafka and PostgreSQL nobody else needs the libraries
        from producers.cli.operators.why import explain_directly

        return explain_directly(job, process or (), as_json=as_json)
    if process:
        raise Rejected("invalid_request", "--process goes with --direct: processes are asked by operators")
    with rest_client(load(ClientSettings)) as client:
        found = client.waiting(job_of(client, job)).raw
    if as_json:
        print_json(found)
    else:
        print_pairs(_lines(found))
    return None


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "job", found["job_id"]
    yield "state", found["state"]
    yield "since", second(found["since"])
    yield ("held" if found["held"] else "not held"), found["message"]
    for wait in found["waits"]:
        yield from wait_lines(wait, wait["message"])


def wait_lines(wait: dict[str, Any], sentence: str) -> Iterator[tuple[str, object]]:
    """The description of one gate, for its owner and for operators."""
    name = "job" if wait["subject"] == "job" else f"{wait['subject']} {wait['id']}"
    yield "held by", f"{wait['reason']} ({name}): {sentence}"
    yield "since", second(wait["since"])
    yield "goes on at", second(wait["next_attempt_at"])
    if wait["ahead"] is not None:
        yield "ahead of it", wait["ahead"]


def second(time: str | datetime | None) -> str:
    """A time in the form for people, to the second."""
    if time is None:
        return ""
    at = parse_time(time) if isinstance(time, str) else time
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
