"""Registry of engines: maps an engine's name to the module that loads its models, imported at first use.

The engine `some-name` of schemas.models.registry.ENGINES is the module `some_name` beside this one.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from gpu_consumers.engines.protocols import Diarizer, Transcriber
from schemas.errors import Fatal
from schemas.events import ModelInfo
from schemas.models.registry import ENGINES, ModelEntry, known_as


class UnknownEngine(Fatal):
    """A model names an engine that this version lacks, or one for another task."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to load: its entry, its checked folder with the digest, the device, and the number of threads."""

    entry: ModelEntry
    folder: Path
    digest: str
    device: str  # cuda or cpu
    workers: int  # calls at the same time

    @property
    def info(self) -> ModelInfo:
        """The model as results name it, with the number format of the entry."""
        return ModelInfo(name=self.entry.name, digest=self.digest, compute_type=self.entry.compute_type)


class LoadedTranscriber(Transcriber, Protocol):
    """A transcriber that can be warmed up."""

    def warm_up(self) -> None:
        """Run once on noise; raises any error of the device."""


class LoadedDiarizer(Diarizer, Protocol):
    """A diarizer that can be warmed up."""

    def warm_up(self) -> None:
        """Run once on noise; raises any error of the device."""


class TranscriberEngine(Protocol):
    """A module that loads speech-to-text models."""

    def gpu_available(self) -> bool:
        """Whether the engine's library finds a GPU."""

    def load(self, source: ModelSource, /) -> LoadedTranscriber:
        """A model in memory; raises Fatal for a folder that must not be loaded, and any error of its library."""


class DiarizerEngine(Protocol):
    """A module that loads speaker diarizations."""

    def gpu_available(self) -> bool:
        """Whether the engine's library finds a GPU."""

    def load(self, source: ModelSource, /) -> LoadedDiarizer:
        """A model in memory; raises Fatal for a folder that must not be loaded, and any error of its library."""


def transcriber_engine(name: str) -> TranscriberEngine:
    """The engine of this name; raises UnknownEngine."""
    return cast("TranscriberEngine", _module(name, "transcriber"))


def diarizer_engine(name: str) -> DiarizerEngine:
    """The engine of this name; raises UnknownEngine."""
    return cast("DiarizerEngine", _module(name, "diarizer"))


def _module(name: str, kind: str) -> object:
    known = [engine for engine, made in ENGINES.items() if made == kind]
    if name not in known:
        raise UnknownEngine(f"no {kind} engine {known_as(name, known)}")
    # imported here: a process that only diarizes never holds CTranslate2, and the other way round
    return importlib.import_module(f"gpu_consumers.engines.{name.replace('-', '_')}")
