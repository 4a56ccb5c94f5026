"""Registry of engines: from an engine's name to the module that loads its models, imported when it is first asked for.

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
    """A model names an engine that this version does not have, or that does something else."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to load: its entry, the folder of its checked files with their digest, the device, and how many threads use it."""

    entry: ModelEntry
    folder: Path
    digest: str
    device: str  # cuda or cpu
    workers: int  # calls at the same time

    @property
    def info(self) -> ModelInfo:
        """The model as results name it, with the number format that the entry asks for."""
        return ModelInfo(name=self.entry.name, digest=self.digest, compute_type=self.entry.compute_type)


class LoadedTranscriber(Transcriber, Protocol):
    """A transcriber that can be tried out."""

    def warm_up(self) -> None:
        """Run once on noise; raises whatever is wrong with the device."""


class LoadedDiarizer(Diarizer, Protocol):
    """A diarizer that can be tried out."""

    def warm_up(self) -> None:
        """Run once on noise; raises whatever is wrong with the device."""


class TranscriberEngine(Protocol):
    """A module that loads speech-to-text models."""

    def gpu_available(self) -> bool:
        """Whether its library finds a GPU."""

    def load(self, source: ModelSource, /) -> LoadedTranscriber:
        """A model in memory; raises Fatal for a folder that must not be loaded, and whatever else its library raises."""


class DiarizerEngine(Protocol):
    """A module that loads speaker diarizations."""

    def gpu_available(self) -> bool:
        """Whether its library finds a GPU."""

    def load(self, source: ModelSource, /) -> LoadedDiarizer:
        """A model in memory; raises Fatal for a folder that must not be loaded, and whatever else its library raises."""


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
