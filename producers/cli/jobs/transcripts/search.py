"""`scribe search`: full-text search over transcripts."""

import sys
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json
from producers.client.sync_client import Client
from producers.messages.plain_text import one_line, printable
from producers.transcripts.rendering import clock
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load

PAGE = 50


def search(text: str, language: str | None, limit: int, as_json: bool) -> None:
    """Implements `scribe search`."""
    with rest_client(load(ClientSettings)) as client:
        hits, too_common = find(client, text, language, limit)
    if as_json:
        print_json(hits)
        return
    for line in hit_lines(hits):
        Console().print(line, soft_wrap=True)
    if not hits:
        sys.stderr.write(f"{nothing(too_common)}\n")


def nothing(too_common: list[str]) -> str:
    """The message when nothing is found."""
    if not too_common:
        return "nothing found"
    words, verb = ", ".join(f"`{one_line(word)}`" for word in too_common), "is" if len(too_common) == 1 else "are"
    return f"nothing found: {words} {verb} too common to be searched for; add a rarer word"


def find(client: Client, text: str, language: str | None, limit: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Up to `limit` hits, page by page, and the words that are too common for a search."""
    hits: list[dict[str, Any]] = []
    too_common: list[str] = []
    cursor = None
    while len(hits) < limit:
        page = client.search_page(text, language=language, limit=min(PAGE, limit - len(hits)), cursor=cursor)
        hits += [{**hit.raw} for hit in page.hits]
        too_common, cursor = list(page.too_common), page.next_cursor
        if cursor is None:
            break
    return hits, too_common


def hit_lines(hits: list[dict[str, Any]]) -> list[Text]:
    """Each job followed by its hits, with the matches in bold."""
    lines = []
    for job, group in groupby(hits, key=lambda hit: (hit["job_id"], hit["recording_id"] or hit["name"])):
        lines.append(Text(" ".join(one_line(name) for name in job if name), "cyan"))
        lines += [_line(hit) for hit in group]
    return lines


def _line(hit: dict[str, Any]) -> Text:
    speaker = f"{one_line(hit['speaker'])}: " if hit["speaker"] else ""
    line = Text(f"  [{clock(hit['start'])[:-4]}] {speaker}")
    for piece in hit["snippet"]:
        line.append(printable(piece["text"]), "bold reverse" if piece["match"] else "")
    return line
