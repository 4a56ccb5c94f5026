"""Every engine with small weights that it can load, and what it sounds like when its device has no memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from deploy.local.models.training.registry import FILE as STAND_INS_FILE
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.engines.loader import LoadedEngines
from schemas.errors import NotOwner
from schemas.events import Channels
from schemas.models.registry import ENGINES, ModelEntry, ModelRegistry, load_registry
from schemas.settings.gpu import GpuSettings, ModelSettings
from tests.fetched import DIARIZER, TRANSCRIBER, require_fetched
from tests.recordings import CONVERSATION, MONO, Recording
from tests.scoring import Said

STAND_INS = {
    "faster-whisper": "whisper-tiny-espeak",
    "ctranslate2-whisper": "whisper-tiny-espeak",
    "pyannote": "diarizer-tiny-espeak",
}
"""For each engine a model of deploy/local/models that it can load."""
FETCHED = {
    "faster-whisper": TRANSCRIBER,
    "ctranslate2-whisper": TRANSCRIBER,
    "pyannote": DIARIZER,
}
"""And one of the real models, for machines on which it was fetched."""
UNNAMED = "ctranslate2-whisper"
"""The engine of no model of ours: on stand-ins with every run, on real weights by deploy/check long-tests."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One engine on one model, and the recording that this model understands."""

    engine: str
    model: str
    real: bool

    @property
    def recording(self) -> Recording:
        """The recording."""
        return CONVERSATION if self.real else MONO

    @property
    def said(self) -> tuple[Said, ...]:
        """What is said in the part that is heard: two voices, and several batches."""
        return self.recording.said[: 3 if self.real else 7]

    @property
    def text(self) -> str:
        """The words of it."""
        return " ".join(turn.text for turn in self.said)

    def samples(self) -> Samples:
        """The recording as a stage hands it over: nobody may write into it."""
        return recorded(self.recording.path)[: int(self.said[-1].end * SAMPLE_RATE)]

    def registry(self) -> ModelRegistry:
        """Its model on its engine, as the default transcriber or the diarizer."""
        known = load_registry() if self.real else load_registry(STAND_INS_FILE)
        entry: ModelEntry = known.models[self.model].model_copy(update={"engine": self.engine})
        models = {**known.models, entry.name: entry}
        if ENGINES[self.engine] == "diarizer":
            return replace(known, models=models, diarizer=entry.name)
        return replace(known, models=models, default=entry.name)

    def engines(self) -> LoadedEngines:
        """The process's models; skips the test where real weights were not fetched."""
        if self.real:
            require_fetched(self.model)
        return LoadedEngines(self.registry(), ModelSettings(), GpuSettings(device="cpu"))


def weights(kind: str) -> list[Any]:
    """All engines of a kind, each on stand-ins and on real weights."""
    return [
        pytest.param(
            Weights(engine, model, real),
            id=f"{engine}-{model}",
            marks=pytest.mark.long if real and engine == UNNAMED else (),
        )
        for models, real in ((STAND_INS, False), (FETCHED, True))
        for engine, model in models.items()
        if ENGINES[engine] == kind
    ]


@cache
def recorded(path: Path) -> Samples:
    """A file as samples that are read-only, as those of a mapped file are."""
    with TemporaryDirectory() as folder:
        decode(path, Path(folder, "samples.npy"), Channels.MIX, 600.0, lambda _: None)
        samples: Samples = np.array(load(Path(folder, "samples.npy"))[:, 0])
    samples.setflags(write=False)
    return samples


def until(reports: int) -> Callable[[float], None]:
    """A progress that takes the job away after so many reports."""
    left = reports

    def progress(_: float) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise NotOwner("another process has it")

    return progress


@contextmanager
def no_memory(engine: str, *, above: int = 0) -> Iterator[None]:
    """Within it the library says, as it does on a full device, that it has no memory for batches of more than `above` items."""
    kind, method, error = _first_network(engine)
    compute = getattr(kind, method)

    def short(self: Any, batch: Any, *args: Any, **options: Any) -> Any:
        if batch.shape[0] > above:
            raise error
        return compute(self, batch, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, method, short)
        yield


def _first_network(engine: str) -> tuple[Any, str, Exception]:
    """The class and the method of an engine's library that computes the first network, and its error for a lack of memory."""
    if engine == "pyannote":
        import torch
        from pyannote.audio.core.inference import Inference

        return Inference, "infer", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    import ctranslate2

    return ctranslate2.models.Whisper, "encode", RuntimeError("CUDA failed with error out of memory")
