"""`scribe rename`, `scribe correct` and `scribe revisions`: corrections of transcripts."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import rest_client
from producers.cli.jobs.why import second
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.pairs import pairs_of
from producers.cli.terminal.tables import add_row, make_table, show_rows
from producers.inputs.id_prefix import IdPrefix
from producers.messages.plain_text import one_line
from schemas.requests.revisions.changes import MAX_EDITS
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load


def rename(job: IdPrefix, names: list[str], after: int | None, as_json: bool) -> None:
    """Implements `scribe rename`."""
    _correct(job, [{"speakers": pairs_of("SPEAKER=NAME", names, "SPEAKER=NAME")}], after, as_json=as_json)


def correct(
    job: IdPrefix,
    index: int | None,
    text: str | None,
    speaker: str | None,
    file: Path | None,
    after: int | None,
    as_json: bool,
) -> None:
    """Implements `scribe correct`."""
    if (index is None) == (file is None):
        raise typer.BadParameter("name one segment, or a file of corrections", param_hint="SEGMENT, --file")
    if file is not None:
        if speaker is not None:
            raise typer.BadParameter("goes with one segment: in a file each line has its own", param_hint="--speaker")
        edits = list(edits_of(file))
    elif text is None and speaker is None:
        raise typer.BadParameter("say what is said in it, or who says it", param_hint="TEXT, --speaker")
    else:
        given = {"index": index, "text": text, "speaker": speaker}
        edits = [{name: value for name, value in given.items() if value is not None}]
    bodies = [{"segments": edits[first : first + MAX_EDITS]} for first in range(0, len(edits), MAX_EDITS)]
    _correct(job, bodies, after, as_json=as_json)


def edits_of(file: Path) -> Iterator[Any]:
    """The corrections in a file, or on stdin for `-`; raises BadParameter that names the line."""
    try:
        content = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {getattr(error, 'strerror', None) or error}", param_hint="--file") from None
    lines = [(number, line) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]
    if not lines:
        raise typer.BadParameter(f"{file} has no corrections", param_hint="--file")
    for number, line in lines:
        try:
            yield json.loads(line)
        except ValueError as error:
            raise typer.BadParameter(f"{file}, line {number}: is not JSON: {error}", param_hint="--file") from None


def _correct(job: IdPrefix, bodies: Iterable[dict[str, Any]], after: int | None, *, as_json: bool) -> None:
    """Make corrections, each against the one before."""
    with rest_client(load(ClientSettings)) as client:
        job_id = job_of(client, job)
        tag = client.transcript_tag(job_id) if after is None else f'"{client.job(job_id).run}.{after}"'
        for body in bodies:
            found = client.correct(job_id, tag, **body)
            tag = found.tag
            if as_json:
                print_json({name: value for name, value in found.raw.items() if name != "tag"})
            else:
                sys.stdout.write(f"{_outcome(found.raw)}\n")


def _outcome(found: Mapping[str, Any]) -> str:
    said = "; ".join(changes_in_words(found["changes"]))
    return f"revision {found['revision']}: {said}" if said else "nothing to change: all of it is so already"


def changes_in_words(changes: dict[str, Any]) -> Iterator[str]:
    """The changes of a revision, a phrase for each."""
    for label, name in changes["speakers"].items():
        yield f"{one_line(label)} is {one_line(name)}"
    for edit in changes["segments"]:
        if edit["speaker"] is not None:
            yield f"segment {edit['index']} is said by {one_line(edit['speaker'])}"
        if edit["text"] is not None:
            yield f"segment {edit['index']} says “{one_line(edit['text'])}”"


def revisions(job: IdPrefix, limit: int, as_json: bool) -> None:
    """Implements `scribe revisions`."""
    with rest_client(load(ClientSettings)) as client:
        found = [revision.raw for revision in client.revisions(job_of(client, job), limit=limit)]
    if as_json:
        print_json(found)
        return
    shown = make_table("NUMBER", "AT", "KEY", "RUN", "CHANGES", whole=("NUMBER", "KEY"))
    for each in found:
        said = "; ".join(changes_in_words(each["changes"]))
        add_row(shown, [each["number"], second(each["at"]), each["key_id"], each["run"], said])
    show_rows(shown, "no revisions: the transcript is the machine's")
