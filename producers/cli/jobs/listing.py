"""`scribe jobs`: the tenant's jobs, the newest first."""

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import typer

from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json, time_text
from producers.cli.terminal.pairs import pairs_of
from producers.cli.terminal.progress import done_part
from producers.cli.terminal.tables import add_row, make_table, show_table
from schemas.events import Priority
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load
from schemas.vocabulary.job_states import JOB_STATES
from schemas.vocabulary.nearest import unknown

Job = Mapping[str, Any]


def jobs(
    state: list[str] | None,
    recording_id: str | None,
    since: datetime | None,
    until: datetime | None,
    name: str | None,
    model: str | None,
    language: str | None,
    priority: Priority | None,
    metadata: list[str] | None,
    limit: int,
    all_: bool,
    as_json: bool,
) -> None:
    """Implements `scribe jobs`."""
    notes = pairs_of("--metadata", metadata or ())
    _check_states(state or ())
    wanted: dict[str, Any] = {
        "state": state,
        "recording_id": recording_id,
        "since": since and time_text(since),
        "until": until and time_text(until),
        "name": name,
        "model": model,
        "language": language,
        "priority": priority and str(priority),
        "metadata": notes or None,
    }
    with rest_client(load(ClientSettings)) as client:
        found = (job.raw for job in client.jobs(limit=None if all_ else limit + 1, **wanted))
        shown = found if all_ else islice(found, limit)
        if as_json:
            print_json(shown)
        else:
            _show(list(shown))
        more = next(iter(found), None) is not None
    if more:
        sys.stderr.write(f"there are more than {limit}: see --limit and --all\n")


def _check_states(given: Iterable[str]) -> None:
    for word in (word.strip() for text in given for word in text.split(",")):
        if word not in JOB_STATES:
            raise typer.BadParameter(unknown("state", word, JOB_STATES), param_hint="--state")


def _show(found: list[Job]) -> None:
    if not found:
        sys.stderr.write("no jobs\n")
        return
    recordings = any(job["recording_id"] for job in found)
    titles = ["JOB", "STATE", "REQUESTED (UTC)", "NAME", *(["RECORDING"] if recordings else []), "NOTE"]
    shown = make_table(*titles, whole=("JOB", "STATE", "REQUESTED (UTC)"))
    for job in found:
        recording = [job["recording_id"]] if recordings else []
        add_row(shown, [job["job_id"], job["state"], _minute(job["requested_at"]), job["name"], *recording, _note(job)])
    show_table(shown)


def _note(job: Job) -> str:
    """A short remark on a job: why it failed, its progress, or that it is to stop."""
    if job["error"]:
        return str(job["error"]["code"])
    if job["completed_at"]:
        return ""
    return "to be stopped" if job["cancel_requested_at"] else done_part(job["progress"])


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
