"""`scribe search`: where transcripts say something."""

from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from producers.cli.outcome import print_json
from producers.cli.rest import RestClient
from producers.plain_text import one_line, printable
from producers.rendering import clock
from schemas.settings import ClientSettings, load

PAGE = 50


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help='Words, "words together", this or that, -without.')],
    language: Annotated[str | None, typer.Option(help="Only transcripts in this language, such as he.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many hits.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find where transcripts say something; the newest recording comes first.

    [bold]scribe search "refund policy"[/]

    [bold]scribe search '"refund policy" or compensation -voucher' --language en[/]
    """
    with RestClient.open(load(ClientSettings)) as client:
        hits = find(client, text, language, limit)
    if as_json:
        print_json(hits)
        return
    for line in hit_lines(hits):
        Console().print(line, soft_wrap=True)
    if not hits:
        Console(stderr=True).print("nothing found")


def find(client: RestClient, text: str, language: str | None, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` hits, page by page."""
    hits: list[dict[str, Any]] = []
    cursor = None
    while len(hits) < limit:
        page = client.search(q=text, language=language, limit=min(PAGE, limit - len(hits)), cursor=cursor)
        hits += page["hits"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return hits


def hit_lines(hits: list[dict[str, Any]]) -> list[Text]:
    """Each job with its hits below it, what was asked for in bold."""
    lines = []
    for job, group in groupby(hits, key=lambda hit: (hit["job_id"], hit["recording_id"])):
        lines.append(Text(" ".join(one_line(name) for name in job if name), "cyan"))
        lines += [_line(hit) for hit in group]
    return lines


def _line(hit: dict[str, Any]) -> Text:
    speaker = f"{one_line(hit['speaker'])}: " if hit["speaker"] else ""
    line = Text(f"  [{clock(hit['start'])[:-4]}] {speaker}")
    for piece in hit["snippet"]:
        line.append(printable(piece["text"]), "bold reverse" if piece["match"] else "")
    return line
