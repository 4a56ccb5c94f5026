"""`NAME=VALUE` options, each name once, since the intended one of two values is not known."""

from collections.abc import Iterable

import typer


def pairs_of(option: str, given: Iterable[str], form: str = "KEY=VALUE") -> dict[str, str]:
    """The values by name; raises BadParameter for another form, and for a repeated name."""
    pairs: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise typer.BadParameter(f"'{text}' is not {form}", param_hint=option)
        if name in pairs:
            raise typer.BadParameter(f"'{name}' is given more than once", param_hint=option)
        pairs[name] = value
    return pairs
