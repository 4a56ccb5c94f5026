"""Options and arguments that several commands have."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from producers.cli.times import TIMES as TIMES
from producers.id_prefix import IdPrefix


def words(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes an option with known words."""
    names = list(known)
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def id_prefix(text: str) -> IdPrefix:
    """What an argument names; raises BadParameter."""
    try:
        return IdPrefix.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' {error}") from None


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[
    IdPrefix, typer.Argument(parser=id_prefix, metavar="JOB", help="The id that submit printed, or its first digits.")
]
