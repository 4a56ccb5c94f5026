"""`scribe status`: the state of one job, its history, and what to do about it."""

from collections.abc import Iterator
from typing import Any

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.progress import amount, done_part
from producers.cli.terminal.tables import add_row, make_table, print_pairs, show_table
from producers.client.sync_client import Client
from producers.inputs.id_prefix import IdPrefix
from schemas.errors import ERRORS
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load
from schemas.vocabulary.job_states import JobState

MOST_AHEAD = 100
Job = dict[str, Any]


def status(job: IdPrefix, as_json: bool) -> None:
    """Implements `scribe status`."""
    with rest_client(load(ClientSettings)) as client:
        found = {**client.job(job_of(client, job)).raw}
        waiting = _ahead(client, found) if found["state"] == JobState.QUEUED and not as_json else ""
    if as_json:
        print_json(found)
        return
    print_pairs(_lines(found, waiting))
    _show_history(found["history"])


def _lines(job: Job, waiting: str) -> Iterator[tuple[str, object]]:
    result, options = job["result"] or {}, job["options"]
    yield "job", job["job_id"]
    yield "state", " ".join(filter(None, (job["state"], done_part(job["progress"]) if not job["completed_at"] else "")))
    yield "waiting", waiting
    yield from _estimate(job["estimate"])
    yield "to be stopped since", _second(job["cancel_requested_at"])
    yield "name", job["name"]
    yield "recording", job["recording_id"]
    yield "source", job["source"]
    yield "requested", _second(job["requested_at"])
    yield "ended", _second(job["completed_at"])
    yield "expires", _second(job["expires_at"])
    yield "run, attempt", f"{job['run']}, {job['attempt']}" if job["run"] > 1 or job["attempt"] > 1 else ""
    yield "audio", amount(job["progress"]["done_seconds"], job["progress"]["total_seconds"])
    yield "model", ", ".join(model["name"] for model in result.get("models", ())) or options["model"]
    yield "language", result.get("language") or options["language"]
    yield "speakers", ", ".join(result.get("speakers", ()))
    yield from (("note", f"{name}={value}") for name, value in job["metadata"].items())
    yield from (("warning", warning) for warning in result.get("warnings", ()))
    yield from _trouble(job["error"])
    yield "transcript", f"scribe result {job['job_id']}" if job["state"] == JobState.COMPLETED else ""
    yield from (
        ("enhancement", f"{each['enhancement_id']} {each['state']} {each['links']['self']}")
        for each in job["enhancements"]
    )
    yield from ((f"link {name}", path) for name, path in job["links"].items())


def _estimate(found: dict[str, Any] | None) -> Iterator[tuple[str, object]]:
    if found is not None:
        yield "probably begins", _second(found["starts_at"])
        yield "probably ends", _second(found["ends_at"])


def _trouble(error: dict[str, str] | None) -> Iterator[tuple[str, object]]:
    if error is None:
        return
    yield "error", f"{error['code']}: {error['message']}"
    spec = ERRORS.get(error["code"])
    if spec is not None and spec.advice not in error["message"]:
        yield "what to do", spec.advice


def _ahead(client: Client, job: Job) -> str:
    """The number of the tenant's own waiting jobs requested earlier; other tenants' jobs affect the order too."""
    before = client.jobs(
        state=JobState.QUEUED, priority=job["priority"], until=job["requested_at"], limit=MOST_AHEAD + 1
    )
    number = sum(1 for _ in before)
    most = "at least " if number > MOST_AHEAD else ""
    return f"{most}{min(number, MOST_AHEAD)} of your {job['priority']} jobs were requested before it and wait too"


def _show_history(history: list[dict[str, Any]]) -> None:
    shown = make_table("AT", "RUN", "STATE", "DETAIL", whole=("AT", "RUN", "STATE"))
    for line in history:
        add_row(shown, [_second(line["at"]), line["run"], line["state"], line["detail"].get("code")])
    show_table(shown)


def _second(time: str | None) -> str:
    return time[:19].replace("T", " ") + " UTC" if time else ""
