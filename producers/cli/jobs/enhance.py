"""`scribe enhance`: a summary and entities of a job's transcript."""

import sys
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import typer
from rich.console import Console

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client, service_error
from producers.cli.terminal.interruption import telling
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_table
from producers.client.errors import ClientError
from producers.client.sync_client import Client
from producers.inputs.id_prefix import IdPrefix
from producers.messages.plain_text import printable
from schemas.errors import Outage
from schemas.events import Outcome
from schemas.retries.schedules import LOOKS
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load

PATIENCE_SECONDS = 600.0
_ENDED: frozenset[str] = frozenset(Outcome)


def enhance(
    job: IdPrefix,
    summarize: bool,
    entities: bool,
    llm_model: str | None,
    enhancement_id: UUID | None,
    watch: bool,
    as_json: bool,
) -> None:
    """Implements `scribe enhance`."""
    if not (summarize or entities):
        raise typer.BadParameter("say what is wanted", param_hint="--summarize, --entities")
    with rest_client(load(ClientSettings)) as client:
        job_id = job_of(client, job)
        asked = client.enhance(
            job_id, summarize=summarize, entities=entities, llm_model=llm_model or None, enhancement_id=enhancement_id
        ).raw
        goes_on = f"the enhancement goes on; back to it: {_again(job_id, asked)}"
        with telling(goes_on):
            try:
                ended = wait_until_ended(client, asked["enhancement_id"]) if watch else asked
            except ClientError as error:
                raise service_error(error, client.url, goes_on) from error
            except Outage as error:
                raise Outage(f"{error}; {goes_on}") from error
    if as_json:
        print_json(ended)
    elif watch:
        print_enhancement(ended, Console())
    else:
        sys.stdout.write(f"{ended['enhancement_id']}\n")
    if ended["state"] == Outcome.FAILED:
        raise typer.Exit(1)


def _again(job: UUID, asked: Mapping[str, Any]) -> str:
    """The command that repeats the same request, which is harmless, and waits."""
    wishes = {"--summarize": asked["enable_summarization"], "--entities": asked["enable_entity_extraction"]}
    options = [name for name, wanted in wishes.items() if wanted]
    options += [f"--llm-model {asked['llm_model']}"] if asked["llm_model"] else []
    return " ".join(["scribe enhance", str(job), *options, f"--watch --enhancement-id {asked['enhancement_id']}"])


def wait_until_ended(client: Client, enhancement_id: str) -> Mapping[str, Any]:
    """The enhancement when it has ended; raises Outage when it takes too long."""
    looks, end = 0, time.monotonic() + PATIENCE_SECONDS
    with Console(stderr=True).status("asking the enhanced-AI service"):
        while time.monotonic() < end:
            found = client.enhancement(enhancement_id).raw
            if found["state"] in _ENDED:
                return found
            looks += 1
            time.sleep(LOOKS.wait(looks))
    raise Outage(f"enhancement {enhancement_id} has not ended within {PATIENCE_SECONDS:g} s")


def print_enhancement(found: Mapping[str, Any], console: Console) -> None:
    """The summary, then one line for each entity; or why there is none."""
    if found["error"]:
        Console(stderr=True).print(found["error"]["message"], style="red", markup=False)
        return
    if found["summary"]:
        console.print("\n".join(printable(line) for line in found["summary"].splitlines()), markup=False)
    if found["entities"]:
        shown = make_table("", "", "")
        shown.show_header = False
        for entity in found["entities"]:
            at = "" if entity["start"] is None else f"{entity['start']:.2f} s"
            add_row(shown, [at, entity["kind"], entity["text"]])
        show_table(shown, console)
    console.print(f"{found['model']}, {found['tokens']} tokens", style="dim", markup=False, highlight=False)
