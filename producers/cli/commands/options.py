"""Options and arguments that several commands share."""

import os
import tomllib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from producers.cli.terminal.times import parse_time
from producers.inputs.id_prefix import IdPrefix
from schemas.vocabulary import languages

SHIPPED = Path(languages.__file__).parents[1] / "models" / "models.toml"
LANGUAGES = sorted(set(languages.CODES.values()))


def words(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes an option with known words."""
    names = list(known)
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def after_comma(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes the last of several words with commas between them."""
    names = list(known)

    def complete(incomplete: str) -> list[str]:
        head, comma, begun = incomplete.rpartition(",")
        return [f"{head}{comma}{name}" for name in names if name.startswith(begun)]

    return complete


def model_names(incomplete: str) -> list[str]:
    """Completes an option with the models of SCRIBE_MODELS_FILE, else of the file that ships with the service."""
    path = Path(os.environ.get("SCRIBE_MODELS_FILE") or SHIPPED)
    try:
        known = tomllib.loads(path.read_text("utf-8")).get("models", {})
    except (OSError, ValueError):
        return []  # nobody can be told of it while a line is written
    return [name for name in known if name.startswith(incomplete)] if isinstance(known, dict) else []


def id_prefix(text: str) -> IdPrefix:
    """The id prefix in an argument; raises BadParameter."""
    try:
        return IdPrefix.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' {error}") from None


def time(text: str) -> datetime:
    """The time in an option's value; raises BadParameter."""
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
