"""Arguments and options of `scribe submit`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from producers.cli.commands.options import LANGUAGES, model_names, time_option
from producers.cli.commands.options import words as words_of
from schemas.events import Channels, Priority, Task
from schemas.process.command_line import deferred_to


class Via(StrEnum):
    """The interface through which a job is submitted."""

    REST = "rest"
    KAFKA = "kafka"


@deferred_to("producers.cli.jobs.submit")
def submit(
    recording: Annotated[str, typer.Argument(metavar="FILE|URL", help="A recording, or where it lies.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it and print the transcript.")] = False,
    model: Annotated[
        str | None, typer.Option(help="A model that `scribe models` lists.", autocompletion=model_names)
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as he or en.", autocompletion=words_of(LANGUAGES))] = None,
    task: Annotated[Task | None, typer.Option(help="Into which language.")] = None,
    diarize: Annotated[bool | None, typer.Option("--diarize/--no-diarize", help="Find out who speaks.")] = None,
    num_speakers: Annotated[int | None, typer.Option(help="How many speak, if known.")] = None,
    min_speakers: Annotated[int | None, typer.Option(help="At least so many.")] = None,
    max_speakers: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    channels: Annotated[Channels | None, typer.Option(help="What becomes of stereo.")] = None,
    track: Annotated[
        str | None, typer.Option(help="Which audio track is heard: its number, from 1, or its language.")
    ] = None,
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
    expires_at: Annotated[datetime | None, time_option("When nobody needs it any more (UTC).")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A note, handed through. May be repeated.")
    ] = None,
    job_id: Annotated[UUID | None, typer.Option(help="Your own id, to submit again safely.")] = None,
    engine: Annotated[str | None, typer.Option(help="The engine of the model.")] = None,
    via: Annotated[Via, typer.Option(help="REST, or straight to Kafka as upstream systems do.")] = Via.REST,
    tenant: Annotated[str | None, typer.Option(help="Whose job it is; only with --via kafka.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Submit a recording.

    \b
    scribe submit call.opus --watch
    scribe submit https://media.example/17.mp3 --language he --num-speakers 2
    scribe submit call.wav --via kafka --tenant acme

    The first uploads a file and prints its transcript; the last needs the settings of Kafka and the object store.

    Through REST the key in SCRIBE_API_KEY says whose job it is; SCRIBE_API_URL is the address of the service.
    """


@deferred_to("producers.cli.jobs.bulk")
def bulk(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file with a JSON object a line; -: standard input.")],
    key: Annotated[
        str | None, typer.Option(help="That of an earlier call, to submit the same lines again safely.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON, a line each.")] = False,
) -> None:
    """Submit many recordings that lie at addresses: a line of JSON each, with the fields of POST /api/v1/transcribe.

    \b
    echo '{"url": "https://example.org/call.mp3"}' | scribe bulk -

    The ids of the jobs come in the order of the lines; what is wrong with a line is said on standard error, and keeps no
    other one from being accepted.
    """
