"""Options and arguments that several commands have."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from producers.cli.times import parse_time
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


def time(text: str) -> datetime:
    """What an option says; raises BadParameter."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' {error}") from None


def time_option(help_: str) -> Any:
    """An option that takes a time."""
    return typer.Option(parser=time, metavar="TIME", help=help_)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[
    IdPrefix, typer.Argument(parser=id_prefix, metavar="JOB", help="The id that submit printed, or its first digits.")
]
