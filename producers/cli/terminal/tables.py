"""Tables of commands: ids are never cut on a terminal, and a pipe gets every row on one line."""

import sys
from collections.abc import Collection, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from producers.messages.plain_text import one_line

_PIPE_COLUMNS = 100_000
_LEAST = 8  # columns of the terminal for what may be folded
_GAP = 2


def make_table(*columns: str, whole: Collection[str] = ()) -> Table:
    """A table without lines; columns in `whole` are never folded or cut, so that users can copy from them."""
    made = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=column in whole, overflow="fold")
    return made


def add_row(to: Table, values: Iterable[object]) -> None:
    """Add a row of untrusted values: without markup and terminal control characters."""
    to.add_row(*(Text("" if value is None else one_line(str(value))) for value in values))


def show_rows(shown: Table, nothing: str) -> None:
    """Print a table, or on stderr the message `nothing`, such as `no keys`, for an empty one."""
    if shown.row_count:
        show_table(shown)
    else:
        sys.stderr.write(f"{nothing}\n")


def show_table(shown: Table, console: Console | None = None) -> None:
    """Print a table: as wide as the terminal, wider where `whole` columns need it, and without a limit in a pipe."""
    console = console or Console()
    if console.file.isatty():
        Console(file=console.file, width=max(console.width, _least(shown))).print(shown, crop=False)
        return
    wide = Console(file=console.file, width=_PIPE_COLUMNS)
    with wide.capture() as captured:
        wide.print(shown)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1]))


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """One line for each name with its value; pairs without a value are omitted."""
    found = [(name, one_line(str(value))) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in found), default=0)
    sys.stdout.write("".join(f"{name:<{width}}  {value}\n" for name, value in found))


def _least(shown: Table) -> int:
    """The minimum width of a table in columns of text."""
    needed = 0
    for column in shown.columns:
        width = max(
            (Text(cell).cell_len if isinstance(cell, str) else _width(cell) for cell in column.cells), default=0
        )
        needed += _GAP + (width if column.no_wrap else min(width, _LEAST))
    return needed


def _width(cell: object) -> int:
    return cell.cell_len if isinstance(cell, Text) else len(str(cell))
