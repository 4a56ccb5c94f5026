"""`scribe watch`, `scribe result` and `scribe models`: what can be read through REST."""

import sys
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from producers.api.views import models as local_models
from producers.cli.ids import job_of
from producers.cli.json_lines import print_json
from producers.cli.outcome import print_transcript, watch_to_end
from producers.cli.rest import RestClient
from producers.cli.tables import add_row, make_table, show_table
from producers.id_prefix import IdPrefix
from producers.rendering import Format
from schemas.models import load_registry
from schemas.settings import ClientSettings, ModelSettings, load


def watch(job: IdPrefix, as_json: bool) -> None:
    """Does `scribe watch`."""
    with RestClient.open(load(ClientSettings)) as client:
        watch_to_end(client, job_of(client, job), as_json=as_json)


def result(job: IdPrefix, form: Format | None, output: Path | None) -> None:
    """Does `scribe result`."""
    form = form or (form_of(output) if output else None)
    with RestClient.open(load(ClientSettings)) as client:
        job_id = job_of(client, job)
        if form is None:
            print_transcript(client.transcript(job_id))
        elif output is None:
            sys.stdout.write(client.transcript_text(job_id, form))
        else:
            _write(output, client.transcript_text(job_id, form))


def models(local: bool, as_json: bool) -> None:
    """Does `scribe models`."""
    entries = _local() if local else _remote()
    if as_json:
        print_json(entries)
    else:
        show_table(model_table(entries))


def form_of(path: Path) -> Format:
    """The form that a file's name asks for; raises BadParameter when it asks for none of ours."""
    try:
        return Format(path.suffix.removeprefix(".").lower())
    except ValueError:
        known = ", ".join(f".{form}" for form in Format)
        raise typer.BadParameter(f"'{path.name}' ends with none of {known}: add --format") from None


def model_table(entries: list[dict[str, Any]]) -> Table:
    """One row a model."""
    shown = make_table("MODEL", "LANGUAGES", "", whole=("MODEL",))
    for entry in entries:
        languages = ", ".join(entry["languages"]) or "99, as Whisper"
        if entry["default_language"]:
            languages += f" (default {entry['default_language']})"
        notes = [entry["description"], "default" if entry["default"] else "", "stand-in" if entry["stand_in"] else ""]
        add_row(shown, [entry["name"], languages, " · ".join(note for note in notes if note)])
    return shown


def _local() -> list[dict[str, Any]]:
    settings = load(ModelSettings)
    registry = load_registry(settings.models_file, settings.default_model, settings.diarizer)
    return [model.model_dump() for model in local_models(registry)]


def _remote() -> list[dict[str, Any]]:
    with RestClient.open(load(ClientSettings)) as client:
        return client.models()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--output") from None
