"""pyannote.audio's SpeakerDiarization behind the Diarizer protocol: the only module, with standins, that imports it."""

import queue
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.core.speech.turns import heard_turns
from gpu_consumers.engines.inference_cache import Answer, InferenceCache
from gpu_consumers.engines.protocols import Checkpoints, SpeakerBounds
from schemas.errors import Fatal, NotOwner, Transient
from schemas.events import ModelInfo

with warnings.catch_warnings():
    # torchcodec does not load without FFmpeg's libraries; we never hand pyannote a file
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    from pyannote.audio import Pipeline
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.telemetry import set_telemetry_metrics

set_telemetry_metrics(False)  # on by default, sends the length of recordings; nothing is sent by the import itself

# what a checkpoint may be made of besides tensors and plain values
HARMLESS = (Specifications, Problem, Resolution, torch.torch_version.TorchVersion)
# the share of the work that is done when a step begins, and how much of it the step is
_STEPS: Mapping[str, tuple[float, float]] = {"segmentation": (0.0, 0.4), "embeddings": (0.4, 0.55)}


def cuda_available() -> bool:
    """Whether torch finds a GPU."""
    return bool(torch.cuda.is_available())


def check_harmless(checkpoint: Path) -> None:
    """Raise Fatal unless a checkpoint holds tensors and plain values only; pyannote itself would run what it holds."""
    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise Fatal(
            f"{checkpoint} holds more than weights and is not loaded: {error}. "
            "If you trust it, write its sha256 into the model registry"
        ) from error


def load_diarizer(folder: Path, info: ModelInfo, device: str) -> "PyannoteDiarizer":
    """A diarizer from a folder whose files were checked before."""
    return PyannoteDiarizer(partial(load_pipeline, folder, device), info)


def load_pipeline(folder: Path, device: str) -> Any:
    """pyannote's own pipeline."""
    return Pipeline.from_pretrained(folder).to(torch.device(device))


class PyannoteDiarizer:
    """See engine.Diarizer; pipelines keep state, so every thread that works at the same time has its own."""

    def __init__(self, make: Callable[[], Any], info: ModelInfo) -> None:
        self.info = info
        self._make = make
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._idle.put(make())

    def warm_up(self) -> None:
        """Run once on noise; raises whatever is wrong with the device."""
        generator = torch.Generator().manual_seed(0)
        noise: Samples = (torch.randn(4 * SAMPLE_RATE, generator=generator) * 0.01).numpy()
        self.diarize(noise, SpeakerBounds(), lambda _: None)

    def diarize(
        self, samples: Samples, bounds: SpeakerBounds, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> tuple[Turn, ...]:
        """See engine.Diarizer."""
        tape = InferenceCache(checkpoints)
        try:
            pipeline = self._idle.get_nowait()
        except queue.Empty:
            pipeline = self._make()
        try:
            with _taped(pipeline, tape):
                return _diarize(pipeline, samples, bounds, progress, tape)
        except NotOwner:
            tape.keep()
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise Transient(f"the device has no memory for {len(samples) / SAMPLE_RATE:.0f} s: {error}") from error
        finally:
            self._idle.put(pipeline)


@contextmanager
def _taped(pipeline: Any, tape: InferenceCache) -> Iterator[None]:
    """Within it the pipeline asks its two networks only what is not on the tape."""
    windows, voices = pipeline._segmentation, pipeline._embedding
    at_once = 1  # voices in a window

    def segment(chunks: torch.Tensor) -> Answer:
        nonlocal at_once
        answer = tape.play(len(chunks), len(chunks) * windows.step, lambda: type(windows).infer(windows, chunks))
        at_once = answer.shape[-1]
        return answer

    def embed(waveforms: torch.Tensor, masks: torch.Tensor) -> Answer:
        seconds = len(waveforms) * windows.step / at_once
        return tape.play(len(waveforms), seconds, lambda: voices(waveforms, masks=masks))

    windows.infer, pipeline._embedding = segment, _CachedEmbedding(voices, embed)
    try:
        yield
    finally:
        pipeline._embedding = voices
        del windows.infer


class _CachedEmbedding:
    """The network that tells voices apart, asked by way of the tape."""

    def __init__(self, network: Any, ask: Callable[..., Answer]) -> None:
        self._network = network
        self._ask = ask

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor) -> Answer:
        return self._ask(waveforms, masks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _diarize(
    pipeline: Any, samples: Samples, bounds: SpeakerBounds, progress: Progress, tape: InferenceCache
) -> tuple[Turn, ...]:
    length = len(samples) / SAMPLE_RATE
    with warnings.catch_warnings():
        # too few voices for the given bounds, statistics over a single frame: nothing a job could change
        warnings.simplefilter("ignore")
        output = pipeline(
            {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": "recording"},
            num_speakers=bounds.exactly,
            min_speakers=bounds.at_least,
            max_speakers=bounds.at_most,
            hook=_hook(progress, length, tape),
        )
    progress(length)
    exclusive = _turns(output.exclusive_speaker_diarization, length)
    return heard_turns(exclusive, _turns(output.speaker_diarization, length))


def _turns(annotation: Any, length: float) -> list[Turn]:
    tracks = annotation.itertracks(yield_label=True)
    found = (Turn(max(0.0, float(s.start)), min(length, float(s.end)), str(label)) for s, _, label in tracks)
    return [turn for turn in found if turn.end > turn.start]


def _hook(progress: Progress, length: float, tape: InferenceCache) -> Callable[..., None]:
    """pyannote's hook: the only place where it can be stopped."""

    def hook(step: str, *_: Any, total: Any = None, completed: Any = None, **__: Any) -> None:
        if total is None:  # the end of a step: what follows may take its time
            tape.keep()
        begins, share = _STEPS.get(step, (0.95, 0.0))
        # `completed` counts full batches and may exceed `total`
        done = min(float(completed) / float(total), 1.0) if total and completed is not None else 0.0
        progress(length * (begins + share * done))

    return hook
