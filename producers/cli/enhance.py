"""`scribe enhance`: a summary and entities of a job's transcript."""

import sys
import time
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from producers.cli.outcome import print_json
from producers.cli.rest import RestClient
from producers.cli.watching import SHORTEST, next_pause
from producers.plain_text import one_line, printable
from schemas.errors import Outage
from schemas.events import ENDED
from schemas.settings import ClientSettings, load

PATIENCE_SECONDS = 600.0


def enhance(
    job: Annotated[UUID, typer.Argument(metavar="JOB", help="The id that submit printed.")],
    summarize: Annotated[bool, typer.Option("--summarize", help="A short summary.")] = False,
    entities: Annotated[
        bool, typer.Option("--entities", help="Names, dates, numbers and more, with their times.")
    ] = False,
    llm_model: Annotated[str | None, typer.Option(help="Which model of the enhanced-AI service.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Wait for it and print it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have the enhanced-AI service work on a transcript.

    [bold]scribe enhance 0b7e1d0a-… --summarize --entities --watch[/]

    The operator must have recorded the tenant's consent: text leaves for that service.
    """
    body = {
        "transcription_job_id": str(job),
        "enable_summarization": summarize,
        "enable_entity_extraction": entities,
        **({"llm_model": llm_model} if llm_model else {}),
    }
    with RestClient.open(load(ClientSettings)) as client:
        asked = client.enhance(body)
        ended = wait_for(client, asked["enhancement_id"]) if watch else asked
    if as_json:
        print_json(ended)
    elif watch:
        print_enhancement(ended, Console())
    else:
        sys.stdout.write(f"{ended['enhancement_id']}\n")
    if ended["state"] == "failed":
        raise typer.Exit(1)


def wait_for(client: RestClient, enhancement_id: str) -> dict[str, Any]:
    """The enhancement when it has ended; raises Outage when it takes too long."""
    pause, end = SHORTEST, time.monotonic() + PATIENCE_SECONDS
    with Console(stderr=True).status("asking the enhanced-AI service"):
        while time.monotonic() < end:
            found = client.enhancement(enhancement_id)
            if found["state"] in ENDED:
                return found
            time.sleep(pause)
            pause = next_pause(pause, changed=False)
    raise Outage(f"enhancement {enhancement_id} has not ended within {PATIENCE_SECONDS:g} s")


def print_enhancement(found: dict[str, Any], console: Console) -> None:
    """The summary, then a line an entity; or why there is none."""
    if found["error"]:
        Console(stderr=True).print(found["error"]["message"], style="red", markup=False)
        return
    if found["summary"]:
        console.print("\n".join(printable(line) for line in found["summary"].splitlines()), markup=False)
    if found["entities"]:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for entity in found["entities"]:
            at = "" if entity["start"] is None else f"{entity['start']:.2f} s"
            table.add_row(at, Text(one_line(entity["kind"])), Text(one_line(entity["text"])))
        console.print(table)
    console.print(f"{found['model']}, {found['tokens']} tokens", style="dim", markup=False, highlight=False)
