"""Loading of settings from the environment: every mistake at once, and variables that nobody reads."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from schemas.errors import SettingsError
from schemas.settings.api import ApiSettings, ClientSettings, TenantSettings
from schemas.settings.base import PREFIX, Settings, variable_of
from schemas.settings.gpu import EcsSettings, GpuSettings, KubernetesSettings, ModelSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings, RetentionSettings, StallSettings
from schemas.vocabulary.nearest import nearest

S = TypeVar("S", bound=BaseSettings)
log = logging.getLogger(__name__)

SETTINGS: tuple[type[Settings], ...] = (
    ServiceSettings,
    KafkaSettings,
    PostgresSettings,
    ObjectStoreSettings,
    RetentionSettings,
    StallSettings,
    OutboundSettings,
    EnhancedAiSettings,
    ApiSettings,
    ClientSettings,
    ModelSettings,
    TenantSettings,
    GpuSettings,
    EcsSettings,
    KubernetesSettings,
)
"""Every concern."""

# variables of this repository's own tools, which no process reads
_OF_TOOLS = frozenset({"SCRIBE_CACHE_DIR", "SCRIBE_TEST_STACK"})


def unknown_variables() -> tuple[str, ...]:
    """A message for each variable that begins like ours and that nobody reads: most are misspelt."""
    known = [variable_of(name) for cls in SETTINGS for name in cls.model_fields]
    seen = {**EnvSettingsSource(Settings).env_vars, **DotEnvSettingsSource(Settings).env_vars}
    names = sorted({name.upper() for name in seen if name.upper().startswith(PREFIX)} - {*known, *_OF_TOOLS})
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


def warn_of_unknown_variables() -> None:
    """Log them, once a process."""
    _warn(unknown_variables())


def load(cls: type[S], **given: Any) -> S:
    """The settings `cls` from the environment; `given` values win. Raises SettingsError with every mistake."""
    if log.hasHandlers():  # else schemas.process.logs does, when it has set the form of logs
        warn_of_unknown_variables()
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
