"""The end of a job on the command line: its transcript, or its error and an exit code."""

import sys
from typing import Any
from uuid import UUID

import typer
from rich.console import Console

from producers.cli.clients.rest import read_transcript, service_error
from producers.cli.terminal.interruption import telling
from producers.cli.terminal.json_lines import print_json as print_json
from producers.cli.terminal.speakers import transcript_table
from producers.cli.terminal.watching import display, follow
from producers.client.errors import ClientError
from producers.client.sync_client import Client
from producers.messages.exit_codes import MISTAKE, TROUBLE
from producers.messages.plain_text import one_line
from producers.transcripts.rendering import to_txt
from schemas.errors import ErrorKind
from schemas.transcript import Transcript
from schemas.vocabulary.job_states import JobState


def watch_to_end(client: Client, job_id: UUID, *, as_json: bool, may_be_absent: bool = False) -> None:
    """Follow a job on stderr, then print its transcript on stdout; exits with 1 or 2 when it has none."""
    with telling(goes_on(job_id)), display(Console(stderr=True)) as shown:
        try:
            job = follow(client, job_id, shown, may_be_absent=may_be_absent)
        except ClientError as error:
            raise service_error(error, client.url, goes_on(job_id)) from error
    if as_json:
        print_json(job)
    elif job["state"] == JobState.COMPLETED:
        print_transcript(read_transcript(client, job_id))
    if job["state"] != JobState.COMPLETED:
        sys.stderr.write("" if as_json else f"{ending(job)}\n")
        raise typer.Exit(code_of(job))


def goes_on(job_id: UUID) -> str:
    """The message to a user who stops watching."""
    return f"the job goes on; back to it: scribe watch {job_id}; to stop it: scribe cancel {job_id}"


def print_transcript(transcript: Transcript) -> None:
    """Print a transcript: in colours on a terminal, as plain lines elsewhere."""
    console = Console()
    if console.is_terminal:
        console.print(transcript_table(transcript))
    else:
        sys.stdout.write(to_txt(transcript))


def ending(job: dict[str, Any]) -> str:
    """The end of a job without transcript, in a sentence."""
    error = job.get("error")
    return f"Job {job['job_id']} {job['state']}" + (f": {one_line(error['message'])}" if error else ".")


def code_of(job: dict[str, Any]) -> int:
    """The exit code: 2 when the submitter can correct the error, else 1."""
    kind = (job.get("error") or {}).get("kind", ErrorKind.INTERNAL)
    return TROUBLE if kind == ErrorKind.INTERNAL else MISTAKE
