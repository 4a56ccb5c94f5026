"""`scribe submit`: a file or an address becomes a job."""

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import wrap_file

from producers.api.bodies import JobFields
from producers.cli.direct import publish_job
from producers.cli.outcome import print_json, watch_to_end
from producers.cli.rest import RestClient
from producers.findings import invalid
from schemas.events import Channels, Priority, Task
from schemas.recording_names import safe_name
from schemas.settings import ClientSettings, KafkaAndObjects, load


class Via(StrEnum):
    """The door a job goes through."""

    REST = "rest"
    KAFKA = "kafka"


def submit(
    recording: Annotated[str, typer.Argument(metavar="FILE|URL", help="A recording, or where it lies.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it and print the transcript.")] = False,
    model: Annotated[str | None, typer.Option(help="A model that `scribe models` lists.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as he or en.")] = None,
    task: Annotated[Task | None, typer.Option(help="Into which language.")] = None,
    diarize: Annotated[bool | None, typer.Option("--diarize/--no-diarize", help="Find out who speaks.")] = None,
    num_speakers: Annotated[int | None, typer.Option(help="How many speak, if known.")] = None,
    min_speakers: Annotated[int | None, typer.Option(help="At least so many.")] = None,
    max_speakers: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    channels: Annotated[Channels | None, typer.Option(help="What becomes of stereo.")] = None,
    hotwords: Annotated[str | None, typer.Option(help="Words to expect.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Text that might have come before.")] = None,
    words: Annotated[bool | None, typer.Option("--words/--no-words", help="Times of words.")] = None,
    priority: Annotated[Priority | None, typer.Option(help="Which queue.")] = None,
    recording_id: Annotated[str | None, typer.Option(help="Your own name of the recording.")] = None,
    summarize: Annotated[
        bool, typer.Option("--summarize", help="Have it summarised by the enhanced-AI service.")
    ] = False,
    entities: Annotated[bool, typer.Option("--entities", help="Have names, dates and numbers found in it.")] = False,
    llm_model: Annotated[str | None, typer.Option(help="Which model of that service.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Called when the job ends.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="ISO time after which nobody needs it.")] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", help="KEY=VALUE, handed through.")] = None,
    job_id: Annotated[UUID | None, typer.Option(help="Your own id, to submit again safely.")] = None,
    engine: Annotated[str | None, typer.Option(help="The engine of the model.")] = None,
    via: Annotated[Via, typer.Option(help="REST, or straight to Kafka as upstream systems do.")] = Via.REST,
    tenant: Annotated[str | None, typer.Option(help="Whose job it is; only with --via kafka.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Submit a recording.

    [bold]scribe submit call.opus --watch[/]  uploads a file and prints its transcript

    [bold]scribe submit https://media.example.com/17.mp3 --language he --num-speakers 2[/]

    [bold]scribe submit call.wav --via kafka --tenant acme[/]  needs the settings of Kafka and the object store

    Through REST the key in SCRIBE_API_KEY says whose job it is; SCRIBE_API_URL is the address of the service.
    """
    given = {name: value for name, value in locals().items() if name in JobFields.model_fields and value is not None}
    given |= {"word_timestamps": words} if words is not None else {}
    given |= {"enable_summarization": True} if summarize else {}
    given |= {"enable_entity_extraction": True} if entities else {}
    given |= {"metadata": _pairs(metadata)} if metadata else {}
    source = recording if "://" in recording else _file(recording)
    if (tenant is None) == (via is Via.KAFKA):
        raise typer.BadParameter("goes with --via kafka, and only with it", param_hint="--tenant")
    if watch:
        RestClient(load(ClientSettings)).close()  # what watching lacks is said before there is a job
    if tenant is not None:
        published = _publish(source, given, tenant)
        _after({"job_id": str(published)}, watch, as_json, may_be_absent=True)
    else:
        _after(_post(source, given), watch, as_json)


def _after(job: dict[str, Any], watch: bool, as_json: bool, *, may_be_absent: bool = False) -> None:
    if watch:
        sys.stderr.write(f"job {job['job_id']}\n")
        with RestClient.open(load(ClientSettings)) as client:
            watch_to_end(client, UUID(job["job_id"]), as_json=as_json, may_be_absent=may_be_absent)
    elif as_json:
        print_json(job)
    else:
        sys.stdout.write(f"{job['job_id']}\n")
        sys.stderr.write(f"See it with: scribe watch {job['job_id']}\n")


def _post(source: str | Path, given: dict[str, Any]) -> dict[str, Any]:
    with RestClient.open(load(ClientSettings)) as client:
        if isinstance(source, str):
            return client.submit({"url": source, **{name: _plain(value) for name, value in given.items()}})
        fields = {name: _form(value) for name, value in given.items()}
        with source.open("rb") as file:
            console = Console(stderr=True)
            if not console.is_terminal:
                return client.upload(file, _name(source), fields)
            size = source.stat().st_size
            with wrap_file(file, size, description="uploading", console=console, transient=True) as shown:
                return client.upload(shown, _name(source), fields)


def _publish(source: str | Path, given: dict[str, Any], tenant: str) -> UUID:
    try:
        fields = JobFields.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from error
    return publish_job(load(KafkaAndObjects), source, fields, tenant, datetime.now(UTC))


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise typer.BadParameter(f"'{text}' is neither a file nor an address", param_hint="FILE|URL")
    return path


def _name(path: Path) -> str:
    """As a form can carry it: a file's name may be no text at all."""
    return safe_name(path.name) or "recording"


def _pairs(items: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in items]
    if wrong := [key for key, separator, _ in pairs if not key or not separator]:
        raise typer.BadParameter(f"'{wrong[0]}' is not KEY=VALUE", param_hint="--metadata")
    return {key: value for key, _, value in pairs}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _form(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)
