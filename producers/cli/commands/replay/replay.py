"""Arguments and options of `scribe replay`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from producers.cli.commands.options import LANGUAGES, Json, id_prefix, model_names, time_option, words
from producers.inputs.id_prefix import IdPrefix
from schemas.process.command_line import deferred_to


@deferred_to("producers.cli.replay.replay")
def replay(
    since: Annotated[datetime | None, time_option("Published at this time (UTC) or later.")] = None,
    until: Annotated[datetime | None, time_option("Published before this time (UTC).")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    job: Annotated[
        list[IdPrefix] | None, typer.Option(parser=id_prefix, metavar="JOB", help="This job; may be repeated.")
    ] = None,
    jobs_from: Annotated[
        typer.FileText | None, typer.Option(help="A file with the id of a job on each line; - reads stdin.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model; '': the default one.", autocompletion=model_names)
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="Another language; '': the model's default or detection.", autocompletion=words(LANGUAGES)),
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="Another audio track, by number or language; '': the default one.")
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC", help="Write results to this topic, such as scribe.results.trial, and change nothing else."
        ),
    ] = None,
    include_running: Annotated[bool, typer.Option("--include-running", help="Also jobs that have not ended.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Jobs a second at most.")] = None,
    replay_id: Annotated[
        UUID | None, typer.Option(help="Go on with a replay that was cut off, with the same options.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what is meant, and say what would be refused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Do jobs again as their next run, from their records in the job topics, without anybody submitting them again.

    The new run replaces state, transcript and speakers when it begins, and is announced by a webhook when it ends. With
    --results it does neither.

    \b
    scribe replay --tenant acme --since 2026-01-31 --model large-v3 --rate 5
    scribe replay --job 0b7e1d0a-… --model large-v3 --results scribe.results.trial
    """
