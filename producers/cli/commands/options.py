"""Options that several commands have."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer


def words(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes an option with known words."""
    names = list(known)
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
