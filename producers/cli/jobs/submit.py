"""`scribe submit`: submits a file or an address as a job."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from producers.api.jobs.bodies import JobFields
from producers.cli.clients.rest import rest_client, service_error
from producers.cli.commands.jobs.submit import Via
from producers.cli.jobs.direct import publish_job
from producers.cli.jobs.following.outcome import watch_to_end
from producers.cli.terminal.interruption import telling
from producers.cli.terminal.json_lines import print_json, time_text
from producers.cli.terminal.pairs import pairs_of
from producers.client.errors import AnswerLost
from producers.client.sync_client import Client
from producers.inputs.validation_errors import invalid
from schemas.events import Channels, Priority, Task
from schemas.process.command_line import with_options
from schemas.requests.recording_names import safe_name
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load
from schemas.settings.processes import KafkaAndObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """The arguments of `scribe submit`; None: not given."""

    recording: str
    watch: bool
    model: str | None
    language: str | None
    task: Task | None
    diarize: bool | None
    num_speakers: int | None
    min_speakers: int | None
    max_speakers: int | None
    channels: Channels | None
    track: str | None
    hotwords: str | None
    prompt: str | None
    words: bool | None
    priority: Priority | None
    recording_id: str | None
    summarize: bool
    entities: bool
    llm_model: str | None
    webhook_url: str | None
    expires_at: datetime | None
    metadata: list[str] | None
    job_id: UUID | None
    engine: str | None
    via: Via
    tenant: str | None
    as_json: bool

    @property
    def fields(self) -> dict[str, Any]:
        """The given fields of the job, with the names of the REST interface."""
        given = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name in JobFields.model_fields
        }
        given |= {
            "word_timestamps": self.words,
            "enable_summarization": self.summarize or None,
            "enable_entity_extraction": self.entities or None,
            "expires_at": None if self.expires_at is None else time_text(self.expires_at),
            "metadata": pairs_of("--metadata", self.metadata) if self.metadata else None,
        }
        return {name: value for name, value in given.items() if value is not None}


@with_options(SubmitOptions)
def submit(options: SubmitOptions) -> None:
    """Implements `scribe submit`."""
    given, tenant = options.fields, options.tenant
    source = options.recording if "://" in options.recording else _file(options.recording)
    if (tenant is None) == (options.via is Via.KAFKA):
        raise typer.BadParameter("goes with --via kafka, and only with it", param_hint="--tenant")
    if options.watch:
        with rest_client(load(ClientSettings)):
            pass  # what watching lacks is said before there is a job
    if tenant is not None:
        published = _publish(source, given, tenant)
        _after({"job_id": str(published)}, options.watch, options.as_json, may_be_absent=True)
    else:
        _after(_post(source, given), options.watch, options.as_json)


def _after(job: Mapping[str, Any], watch: bool, as_json: bool, *, may_be_absent: bool = False) -> None:
    if watch:
        sys.stderr.write(f"job {job['job_id']}\n")
        with rest_client(load(ClientSettings)) as client:
            watch_to_end(client, UUID(job["job_id"]), as_json=as_json, may_be_absent=may_be_absent)
    elif as_json:
        print_json(job)
    else:
        sys.stdout.write(f"{job['job_id']}\n")
        sys.stderr.write(f"See it with: scribe watch {job['job_id']}\n")


def _post(source: str | Path, given: dict[str, Any]) -> Mapping[str, Any]:
    # an id of our own, so that whoever does not hear of the job can ask, or send it again, and has no second one
    job_id = given.setdefault("job_id", uuid4())
    unheard = f"whether there is a job is not known; see: scribe watch {job_id}; to submit it again: --job-id {job_id}"
    with rest_client(load(ClientSettings)) as client, telling(f"interrupted: {unheard}"):
        try:
            return _send(client, source, given)
        except AnswerLost as error:
            raise service_error(error, client.url, unheard) from error


def _send(client: Client, source: str | Path, given: dict[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, str):
        return client.submit(source, **given).raw
    size, name = source.stat().st_size, _name(source)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("uploading", total=size)
        if size >= (least := load(ClientSettings).api_resumable_bytes):

            def move(sent: int, _: int) -> None:
                shown.update(task, completed=sent)

            return client.upload(source, name=name, resumable_bytes=least, progress=move, **given).raw
        with source.open("rb") as file, shown.wrap_file(file, task_id=task) as read:
            return client.upload(read, name=name, resumable_bytes=size + 1, **given).raw


def _publish(source: str | Path, given: dict[str, Any], tenant: str) -> UUID:
    try:
        fields = JobFields.model_validate(given)
    except ValidationError as error:
        raise invalid(error, JobFields) from error
    return publish_job(load(KafkaAndObjects), source, fields, tenant, datetime.now(UTC))


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise typer.BadParameter(f"'{text}' is neither a file nor an address", param_hint="FILE|URL")
    return path


def _name(path: Path) -> str:
    """A safe form of a file's name, which may be no valid text."""
    return safe_name(path.name) or "recording"
