"""The settings files of the base, kept in step with schemas/settings: `python -m deploy.kubernetes.settings` mends them.

Values that stand there stay; a new setting is added without one, which counts as not set.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings

from deploy.process_settings import concern_name, secrets
from schemas.settings.api import ClientSettings
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.gpu import EcsSettings

FOLDER = Path(__file__).parent / "base" / "settings"
ELSEWHERE: Mapping[type[BaseSettings], str] = {
    ClientSettings: "the command line alone is a client",
    EcsSettings: "another platform",
}
"""Concerns that no process has here, with the reason."""
CONCERNS = tuple(cls for cls in SETTINGS if cls not in ELSEWHERE)
SECRET_TOO = frozenset({"SCRIBE_KAFKA_USER", "SCRIBE_S3_ACCESS_KEY"})
"""Settings that go with a secret although their type does not say so."""
OF_THE_POD = frozenset({"SCRIBE_WORKER_ID", "SCRIBE_POD_NAME"})
"""Settings that each pod fills in with its own name."""


def read_here(settings: type[BaseSettings]) -> set[str]:
    """The variables that a process reads, without those of other platforms."""
    elsewhere = {name for cls in ELSEWHERE for name in cls.model_fields}
    return {variable_of(name) for name in settings.model_fields if name not in elsewhere}


def secret_variables() -> set[str]:
    """The variables that belong into secrets."""
    return set(secrets() | SECRET_TOO)


def open_variables(concern: type[BaseSettings]) -> list[str]:
    """The variables of a concern that its map holds, in the order of the code."""
    elsewhere = secret_variables() | OF_THE_POD
    return [name for name in map(variable_of, concern.model_fields) if name not in elsewhere]


def text_of(concern: type[BaseSettings], before: str) -> str:
    """The file of a concern, with the values that it had before."""
    values = dict(re.findall(r"^(\w+)=(.*)$", before, re.MULTILINE))
    lines = [f"# {concern.__doc__}", *(f"{name}={values.get(name, '')}" for name in open_variables(concern))]
    return "\n".join(lines) + "\n"


def path_of(concern: type[BaseSettings]) -> Path:
    """The file of a concern."""
    return FOLDER / f"{concern_name(concern)}.env"


def written(concern: type[BaseSettings]) -> str:
    """The file of a concern as it is, empty when there is none."""
    return path_of(concern).read_text() if path_of(concern).exists() else ""


if __name__ == "__main__":
    for each in CONCERNS:
        path_of(each).write_text(text_of(each, written(each)))
