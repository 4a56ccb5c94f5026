"""`scribe models`: the models that jobs may name."""

from typing import Any

from rich.table import Table

from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_table
from schemas.models.registry import load_registry
from schemas.settings.api import ClientSettings
from schemas.settings.gpu import ModelSettings
from schemas.settings.loading import load


def models(local: bool, as_json: bool) -> None:
    """Implements `scribe models`."""
    entries = _local() if local else _remote()
    if as_json:
        print_json(entries)
    else:
        show_table(model_table(entries))


def model_table(entries: list[dict[str, Any]]) -> Table:
    """A table with one row for each model."""
    shown = make_table("MODEL", "LANGUAGES", "", whole=("MODEL",))
    for entry in entries:
        languages = ", ".join(entry["languages"]) or "99, as Whisper"
        if entry["default_language"]:
            languages += f" (default {entry['default_language']})"
        notes = [entry["description"], "default" if entry["default"] else "", "stand-in" if entry["stand_in"] else ""]
        add_row(shown, [entry["name"], languages, " · ".join(note for note in notes if note)])
    return shown


def _local() -> list[dict[str, Any]]:
    # the view of REST, whose libraries only this needs
    from producers.api.jobs.views import models as local_models

    settings = load(ModelSettings)
    registry = load_registry(settings.models_file, settings.default_model, settings.diarizer)
    return [model.model_dump() for model in local_models(registry)]


def _remote() -> list[dict[str, Any]]:
    with rest_client(load(ClientSettings)) as client:
        return [{**model.raw} for model in client.models()]
