"""`scribe events`: the changes of jobs as they happen, a line each."""

import sys
from uuid import UUID

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client
from producers.cli.terminal.interruption import telling
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.progress import amount
from producers.client.models.events import JobEvent, ProgressMade, StateChanged
from producers.inputs.id_prefix import IdPrefix
from producers.messages.plain_text import one_line
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load


def events(job: IdPrefix | None, after: str | None, as_json: bool) -> None:
    """Implements `scribe events`."""
    position, job_id = after or "", None
    with rest_client(load(ClientSettings)) as client, telling(lambda: _resumption(job_id, position)):
        job_id = None if job is None else job_of(client, job)
        for event in client.events(job_id, last_event_id=after):
            _show(event, as_json=as_json)
            position = event.event_id or position


def event_line(event: JobEvent) -> str:
    """An event for people; '' for the beginning of a stream."""
    match event:
        case StateChanged():
            words = (f"{event.at:%Y-%m-%d %H:%M:%S} UTC", event.job_id, event.state, event.detail.get("code"))
            return "  ".join(one_line(str(word)) for word in words if word)
        case ProgressMade():
            done = amount(event.done_seconds, event.total_seconds) or f"{event.done_seconds:.0f} s"
            return f"{'':23}  {event.job_id}  {done}"
        case _:
            return ""


def _show(event: JobEvent, *, as_json: bool) -> None:
    if as_json:
        times = {"at": event.at} if isinstance(event, StateChanged) else {}
        print_json({"event": event.EVENT, **event.raw, **times})
    elif line := event_line(event):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # a reader behind a pipe follows too


def _resumption(job_id: UUID | None, position: str) -> str:
    """The message to a user who stops following: the command that goes on behind the last event."""
    named = ("scribe events", str(job_id or ""), f"--after {position}" if position else "")
    return f"the jobs go on; back to this place: {' '.join(filter(None, named))}"
