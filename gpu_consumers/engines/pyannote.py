"""pyannote.audio as an engine: its speaker diarization behind the Diarizer protocol."""

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
from gpu_consumers.engines.libraries.nvidia_driver import driver_cuda, found_or_too_old
from gpu_consumers.engines.protocols import Checkpoints, SpeakerBounds
from gpu_consumers.engines.registry import ModelSource
from schemas.errors import Fatal, NotOwner, Transient
from schemas.events import ModelInfo
from schemas.models.registry import ModelEntry

with warnings.catch_warnings():
    # torchcodec does not load without FFmpeg's libraries; we never hand pyannote a file
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    from pyannote.audio import Pipeline
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.telemetry import set_telemetry_metrics

set_telemetry_metrics(False)  # on by default, sends the length of recordings; nothing is sent by the import itself

SHORTEST = SAMPLE_RATE // 10  # samples: in less there is no voice to tell from another
CHECKPOINTS = ("*.bin", "*.ckpt", "*.pt")  # what torch reads in a folder of pyannote
# what a checkpoint may be made of besides tensors and plain values
HARMLESS = (Specifications, Problem, Resolution, torch.torch_version.TorchVersion)
# the share of the work that is done when a step begins, and how much of it the step is
_STEPS: Mapping[str, tuple[float, float]] = {"segmentation": (0.0, 0.4), "embeddings": (0.4, 0.55)}


def gpu_available() -> bool:
    """Whether torch finds a GPU; raises Fatal when the driver is too old for it."""
    major = int((torch.version.cuda or "0").split(".")[0])
    return found_or_too_old(torch.cuda.is_available(), "torch", major * 1000, driver_cuda())


def load(source: ModelSource) -> "PyannoteDiarizer":
    """See engines.registry.DiarizerEngine; raises Fatal for a checkpoint that runs code and is not pinned."""
    for checkpoint in unpinned_checkpoints(source.entry, source.folder):
        check_harmless(checkpoint)
    return load_diarizer(source.folder, source.info, source.device)


def unpinned_checkpoints(entry: ModelEntry, folder: Path) -> tuple[Path, ...]:
    """Files that torch would unpickle and that the registry does not pin."""
    found = (path for pattern in CHECKPOINTS for path in folder.rglob(pattern))
    return tuple(path for path in sorted(found) if path.relative_to(folder).as_posix() not in entry.sha256)


def check_harmless(checkpoint: Path) -> None:
    """Raise Fatal unless a checkpoint holds only tensors and plain values; pyannote itself would run its code."""
    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise Fatal(
            f"{checkpoint} holds more than weights and is not loaded: {error}. "
            "If you trust it, write its sha256 into the model registry"
        ) from error


def load_diarizer(folder: Path, info: ModelInfo, device: str) -> "PyannoteDiarizer":
    """A diarizer from a folder of checked files; it always computes in float32."""
    loaded = ModelInfo(name=info.name, digest=info.digest, compute_type="float32")
    return PyannoteDiarizer(partial(load_pipeline, folder, device), loaded)


def load_pipeline(folder: Path, device: str) -> Any:
    """pyannote's own pipeline."""
    return Pipeline.from_pretrained(folder).to(torch.device(device))


class PyannoteDiarizer:
    """See engines.protocols.Diarizer; pipelines keep state, so every concurrent thread has its own."""

    def __init__(self, make: Callable[[], Any], info: ModelInfo) -> None:
        self.info = info
        self._make = make
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._idle.put(make())

    def warm_up(self) -> None:
        """Run once on noise; raises any error of the device."""
        generator = torch.Generator().manual_seed(0)
        noise: Samples = (torch.randn(4 * SAMPLE_RATE, generator=generator) * 0.01).numpy()
        self.diarize(noise, SpeakerBounds(), lambda _: None)

    def diarize(
        self, samples: Samples, bounds: SpeakerBounds, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> tuple[Turn, ...]:
        """See engines.protocols.Diarizer."""
        if len(samples) < SHORTEST or not samples.any():  # networks may hear voices in digital silence
            progress(len(samples) / SAMPLE_RATE)
            return ()
        cache = InferenceCache(checkpoints)
        try:
            pipeline = self._idle.get_nowait()
        except queue.Empty:
            pipeline = self._make()
        try:
            with cached_inference(pipeline, cache):
                return _diarize(pipeline, samples, bounds, progress, cache)
        except NotOwner:
            cache.keep()
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise Transient(f"the device has no memory for {len(samples) / SAMPLE_RATE:.0f} s: {error}") from error
        finally:
            self._idle.put(pipeline)


@contextmanager
def cached_inference(pipeline: Any, cache: InferenceCache) -> Iterator[None]:
    """Context in which the pipeline computes with its two networks only what the cache does not hold."""
    segmentation, embedding = pipeline._segmentation, pipeline._embedding
    speakers = 1  # in a chunk

    def segment(chunks: torch.Tensor) -> Answer:
        nonlocal speakers
        seconds = len(chunks) * segmentation.step
        answer = cache.get_or_compute(len(chunks), seconds, lambda: type(segmentation).infer(segmentation, chunks))
        speakers = answer.shape[-1]
        return answer

    def embed(waveforms: torch.Tensor, masks: torch.Tensor) -> Answer:
        seconds = len(waveforms) * segmentation.step / speakers
        return cache.get_or_compute(len(waveforms), seconds, lambda: embedding(waveforms, masks=masks))

    segmentation.infer, pipeline._embedding = segment, _CachedEmbedding(embedding, embed)
    try:
        yield
    finally:
        pipeline._embedding = embedding
        del segmentation.infer


class _CachedEmbedding:
    """The speaker embedding network, computed by way of the cache."""

    def __init__(self, network: Any, compute: Callable[..., Answer]) -> None:
        self._network = network
        self._compute = compute

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor) -> Answer:
        return self._compute(waveforms, masks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _diarize(
    pipeline: Any, samples: Samples, bounds: SpeakerBounds, progress: Progress, cache: InferenceCache
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
            hook=_hook(progress, length, cache),
        )
    progress(length)
    exclusive = _turns(output.exclusive_speaker_diarization, length)
    return heard_turns(exclusive, _turns(output.speaker_diarization, length))


def _turns(annotation: Any, length: float) -> list[Turn]:
    tracks = annotation.itertracks(yield_label=True)
    found = (Turn(max(0.0, float(s.start)), min(length, float(s.end)), str(label)) for s, _, label in tracks)
    return [turn for turn in found if turn.end > turn.start]


def _hook(progress: Progress, length: float, cache: InferenceCache) -> Callable[..., None]:
    """pyannote's hook, the only place where it can be stopped; each step ends with a report that is not counted."""
    reached = 0.0

    def hook(step: str, *_: Any, total: Any = None, completed: Any = None, **__: Any) -> None:
        nonlocal reached
        if total is None:  # the end of a step: what follows may take its time
            cache.keep()
        begins, share = _STEPS.get(step, (reached, 0.0))
        # `completed` counts full batches and may exceed `total`
        done = min(float(completed) / float(total), 1.0) if total and completed is not None else 0.0
        reached = max(reached, begins + share * done)
        progress(length * reached)

    return hook
