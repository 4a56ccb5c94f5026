"""Loading of settings from the environment: every mistake at once, and variables that nobody reads."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from schemas.errors import SettingsError
from schemas.settings.base import PREFIX, Settings, variable_of
from schemas.vocabulary.nearest import nearest

S = TypeVar("S", bound=BaseSettings)
log = logging.getLogger(__name__)

# variables of this repository's own tools, which no process reads
_OF_TOOLS = frozenset({"SCRIBE_CACHE_DIR", "SCRIBE_TEST_STACK"})


def unknown_variables(read: type[BaseSettings] = Settings) -> tuple[str, ...]:
    """A message for each variable that begins like ours and that nobody reads: most are misspelt.

    `read`: the settings that are read anyway; who has set nothing else needs none of the others for that.
    """
    seen = {**EnvSettingsSource(Settings).env_vars, **DotEnvSettingsSource(Settings).env_vars}
    given = {name.upper() for name in seen if name.upper().startswith(PREFIX)} - _OF_TOOLS
    if given <= {variable_of(name) for name in read.model_fields}:
        return ()
    from schemas.settings.concerns import SETTINGS  # a tenth of the start of a command

    known = [variable_of(name) for cls in SETTINGS for name in cls.model_fields]
    names = sorted(given.difference(known))
    return tuple(f"{name}: nobody reads this variable{_meant(name, known)}" for name in names)


def _meant(name: str, known: Sequence[str]) -> str:
    """The one that was probably meant; the prefix that all have makes none alike."""
    rest = {variable.removeprefix(PREFIX): variable for variable in known}
    found = nearest(name.removeprefix(PREFIX), rest)
    return f"; did you mean `{rest[found]}`?" if found else ""


@cache
def _warn(messages: tuple[str, ...]) -> None:
    for message in messages:
        log.warning("%s", message)


def warn_of_unknown_variables(read: type[BaseSettings] = Settings) -> None:
    """Log them, once a process."""
    _warn(unknown_variables(read))


def load(cls: type[S], **given: Any) -> S:
    """The settings `cls` from the environment; `given` values win. Raises SettingsError with every mistake."""
    if log.hasHandlers():  # else schemas.process.logs does, when it has set the form of logs
        warn_of_unknown_variables(cls)
    try:
        return cls(**{name: value for name, value in given.items() if name in cls.model_fields})
    except ValidationError as error:
        # `from None`: pydantic's own words repeat the values, and some are secrets
        raise SettingsError("\n".join(_mistake(cls, item) for item in error.errors())) from None


def _mistake(cls: type[BaseSettings], item: Any) -> str:
    if not item["loc"]:  # of several variables together, each named in its line
        return str(item["msg"]).removeprefix("Value error, ")
    location = [str(part) for part in item["loc"]]
    name = location[0].lower().removeprefix(PREFIX.lower()) if location else ""
    variable = variable_of(name) if name in cls.model_fields else (location[0] if location else cls.__name__)
    return ": ".join([variable, *location[1:], item["msg"].removeprefix("Value error, ")])
