"""`scribe watch` and `scribe result`: reading transcripts, after waiting for them or at once."""

import sys
from pathlib import Path

import typer

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import read_transcript, rest_client
from producers.cli.jobs.following.outcome import print_transcript, watch_to_end
from producers.inputs.id_prefix import IdPrefix
from producers.transcripts.formats import Format, format_of
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load


def watch(job: IdPrefix, as_json: bool) -> None:
    """Implements `scribe watch`."""
    with rest_client(load(ClientSettings)) as client:
        watch_to_end(client, job_of(client, job), as_json=as_json)


def result(job: IdPrefix, form: Format | None, output: Path | None, revision: str | None) -> None:
    """Implements `scribe result`."""
    form = form or (form_of(output) if output else None)
    with rest_client(load(ClientSettings)) as client:
        job_id = job_of(client, job)
        if form is None:
            print_transcript(read_transcript(client, job_id, revision))
        elif output is not None:
            _write(output, client.transcript_file(job_id, form.value, revision=revision))
        elif form == Format.DOCX and sys.stdout.isatty():
            raise typer.BadParameter(
                "a Word document is nothing for a terminal: add --output FILE", param_hint="--format"
            )
        else:
            sys.stdout.buffer.write(client.transcript_file(job_id, form.value, revision=revision))


def form_of(path: Path) -> Format:
    """The format for a file's extension; raises BadParameter for an unknown one."""
    if (form := format_of(path.name)) is None:
        known = ", ".join(f".{form.extension}" for form in Format)
        raise typer.BadParameter(f"'{path.name}' ends with none of {known}: add --format")
    return form


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--output") from None
