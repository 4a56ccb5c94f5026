"""`scribe audio`: the recording of a job that was uploaded, as a file."""

import sys
from pathlib import Path
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client
from producers.cli.terminal.interruption import NOTHING_DONE, telling
from producers.cli.terminal.json_lines import print_json
from producers.client.sync_client import Client
from producers.inputs.id_prefix import IdPrefix
from producers.messages.plain_text import one_line
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load


def audio(job: IdPrefix, output: Path | None, as_json: bool) -> None:
    """Implements `scribe audio`."""
    with rest_client(load(ClientSettings)) as client, telling(NOTHING_DONE):
        job_id = job_of(client, job)
        path = output or _free_path(client, job_id)
        with Console(stderr=True).status(Text(f"writing {path.name}")):
            saved = _saved(client, job_id, path)
    if as_json:
        print_json({"job_id": job_id, "path": str(saved), "bytes": saved.stat().st_size})
    else:
        sys.stdout.write(f"{saved}\n")


def _free_path(client: Client, job_id: UUID) -> Path:
    """The path in this folder with the recording's own name; raises BadParameter when something has it."""
    # a folder obeys a name: none leads out of it, and none is hidden in it
    path = Path(Path(one_line(client.job(job_id).name or "")).name.lstrip(".") or str(job_id))
    if path.exists():
        raise typer.BadParameter(f"{path} exists: name a file with --output", param_hint="--output")
    return path


def _saved(client: Client, job_id: UUID, path: Path) -> Path:
    try:
        return client.save_audio(job_id, path)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--output") from None
