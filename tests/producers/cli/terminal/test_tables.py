"""Tables: whole ids on the narrowest terminal, and in pipes a line for each row."""

import contextlib
import io
import os
import pty
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from rich.console import Console

from producers.cli.terminal.tables import add_row, make_table, print_pairs, show_table

ID = str(uuid4())
LONG = "many words " * 20


def shown(columns: int | None) -> str:
    """What a table prints in a pipe, or on a terminal with so many columns."""
    made = make_table("ID", "TENANT", "WORDS", whole=("ID",))
    add_row(made, [ID, "acme", LONG])
    add_row(made, [ID, None, "[bold]not bold[/] \x1b[2Jlast\nline"])
    if columns is None:
        out = io.StringIO()
        show_table(made, Console(file=out, width=80))
        return out.getvalue()
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        show_table(made, Console(file=terminal, width=columns, color_system=None))
    text = "".join(_read(leader))
    return re.sub(r"\x1b\[[0-9;]*m", "", text.replace("\r\n", "\n"))


def test_in_a_pipe_each_row_is_one_line_and_whole() -> None:
    lines = shown(None).splitlines()
    assert lines[0].split() == ["ID", "TENANT", "WORDS"]
    assert lines[1:] == [f"{ID}  acme    {LONG.rstrip()}", f"{ID}          [bold]not bold[/] [2Jlast line"]


def _read(leader: int) -> Iterator[str]:
    """All that was written to a terminal that is closed."""
    with os.fdopen(leader, "rb", buffering=0) as end, contextlib.suppress(OSError):
        while chunk := end.read(4096):
            yield chunk.decode(errors="ignore")


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_on_a_terminal_ids_are_whole_and_the_rest_is_folded(columns: int) -> None:
    text = shown(columns)
    assert text.count(ID) == 2
    assert "2Jlast" in "".join(text.split())
    assert "\x1b" not in text
    assert "…" not in text
    if columns >= 60:
        assert max(len(line) for line in text.splitlines()) <= columns
    if columns == 120:
        assert text.count("words") == 20


def test_pairs_stand_in_line_and_empty_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_pairs([("job", ID), ("name", None), ("language", "he\x1b[2J\n"), ("x", "")])
    assert capsys.readouterr().out == f"job       {ID}\nlanguage  he[2J\n"
