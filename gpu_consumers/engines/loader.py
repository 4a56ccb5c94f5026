"""Model loader: checks files, chooses the device, imports the engine at first use, and warms the model up."""

import gc
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from gpu_consumers.core.delivery.error_policy import STICKY, DeviceLost
from gpu_consumers.engines.libraries.gpu_metrics import watch_gpu
from gpu_consumers.engines.models import hub
from gpu_consumers.engines.models.errors import Unreachable
from gpu_consumers.engines.models.store import fetched_folder, files_of, mistakes_in
from gpu_consumers.engines.protocols import Diarizer, Transcriber
from gpu_consumers.engines.registry import (
    DiarizerEngine,
    ModelSource,
    TranscriberEngine,
    diarizer_engine,
    transcriber_engine,
)
from schemas.errors import Fatal, Permanent, ScribeError, Transient
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.settings.gpu import GpuSettings, ModelSettings

log = logging.getLogger(__name__)
T = TypeVar("T")


class LoadedEngines:
    """See engines.protocols.Engines: keeps the default transcriber, the diarizer, and the last other model requested.

    A model that is replaced is freed when the last job that uses it ends.
    """

    def __init__(self, registry: ModelRegistry, models: ModelSettings, gpu: GpuSettings) -> None:
        self._registry = registry
        self._cache = models.models_cache
        self._gpu = gpu
        self._kept: dict[str, Transcriber] = {}
        self._diarizers: dict[str, Diarizer] = {}
        self._other: dict[str, Transcriber] = {}  # at most one
        self._loading = threading.Lock()

    def transcriber(self, name: str) -> Transcriber:
        """See engines.protocols.Engines; only the default may end the process, which cannot work without it."""
        if name == self._registry.default:
            return self._once(self._kept, name, self._load_transcriber)
        with self._loading:
            if name not in self._other:
                self._other[name] = _for_a_job(self._registry.models[name], self._load_transcriber)
            return self._other[name]

    def diarizer(self) -> Diarizer:
        """See engines.protocols.Engines."""
        return self._once(self._diarizers, self._registry.diarizer, self._load_diarizer)

    def _once(self, loaded: dict[str, T], name: str, load: Callable[[ModelEntry], T]) -> T:
        if name not in loaded:
            with self._loading:
                if name not in loaded:
                    loaded[name] = load(self._registry.models[name])
        return loaded[name]

    def _load_transcriber(self, entry: ModelEntry) -> Transcriber:
        engine = transcriber_engine(entry.engine)
        source = self._source(entry, engine, self._gpu.transcribe_workers)

        def load() -> Transcriber:
            self._other.clear()
            gc.collect()  # what jobs that failed left in cycles holds models too
            model = engine.load(source)
            model.warm_up()
            return model

        return _tried(entry, source.device, load)

    def _load_diarizer(self, entry: ModelEntry) -> Diarizer:
        engine = diarizer_engine(entry.engine)
        source = self._source(entry, engine, self._gpu.diarize_workers)

        def load() -> Diarizer:
            model = engine.load(source)
            model.warm_up()
            return model

        return _tried(entry, source.device, load)

    def _source(self, entry: ModelEntry, engine: TranscriberEngine | DiarizerEngine, workers: int) -> ModelSource:
        wanted = self._gpu.device
        device = choose_device(wanted, wanted != "cpu" and engine.gpu_available())
        folder = folder_of(entry, self._cache)
        return ModelSource(entry, folder, checked_digest(entry, folder), device, workers)


def _for_a_job(entry: ModelEntry, load: Callable[[ModelEntry], T]) -> T:
    """Context for a model that one job requests: its errors end or retry that job, and not the process."""
    try:
        return load(entry)
    except Fatal as error:
        if any(phrase in str(error) for phrase in STICKY):
            raise DeviceLost(str(error)) from error
        log.exception("model %s cannot be used here", entry.name)
        if _out_of_memory(error.__cause__):
            raise Transient(f"no memory for model '{entry.name}' beside those in use") from error
        raise Permanent("internal", f"model '{entry.name}' cannot be used on this machine") from error


def _out_of_memory(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error)


def _tried(entry: ModelEntry, device: str, load: Callable[[], T]) -> T:
    began = time.monotonic()
    try:
        model = load()
    except ScribeError:
        raise
    # the libraries raise RuntimeError, ValueError, OSError and more for a device or a folder that does not fit
    except Exception as error:
        raise Fatal(f"model '{entry.name}' does not run on {device}: {error}") from error
    if device == "cuda":
        watch_gpu()
    log.info("model %s is ready on %s after %.1f s", entry.name, device, time.monotonic() - began)
    return model


def choose_device(wanted: str, available: bool) -> str:
    """`cuda` or `cpu`; raises Fatal when a GPU is asked for and there is none."""
    if wanted == "cuda" and not available:
        raise Fatal("SCRIBE_DEVICE is cuda, but no GPU is found; set it to auto or cpu")
    return "cuda" if available and wanted != "cpu" else "cpu"


def folder_of(entry: ModelEntry, cache: Path | None) -> Path:
    """The folder with the files of a model; only hub models are downloaded when missing. Raises Fatal, Transient."""
    if entry.path is not None:
        if not entry.path.is_dir():
            raise Fatal(f"model '{entry.name}': there is no folder {entry.path}")
        return entry.path
    if entry.wheels:
        return _fetched_before(entry, cache)
    if not entry.pinned:
        log.warning("model %s is not pinned; `scribe-gpu models fetch %s` says what pins it", entry.name, entry.name)
    if folder := hub.cached_folder(entry, cache):
        return folder
    log.info("model %s: fetching %s", entry.name, entry.source)
    try:
        return hub.fetched_folder(entry, cache)
    except Unreachable as error:
        raise Transient(str(error)) from error


def _fetched_before(entry: ModelEntry, cache: Path | None) -> Path:
    folder = fetched_folder(entry, cache)
    if not folder.is_dir():
        raise Fatal(
            f"model '{entry.name}' is not on this machine ({folder}): run `scribe-gpu models fetch {entry.name}`"
        )
    return folder


def checked_digest(entry: ModelEntry, folder: Path) -> str:
    """One sha256 over all files of a model; raises Fatal when a file differs from the pinned one."""
    found = files_of(folder)
    if mistakes := mistakes_in(entry, found):
        raise Fatal(f"model '{entry.name}': {mistakes[0]}")
    return digest_of_all(found)


def digest_of_all(files: Mapping[str, str]) -> str:
    """One digest for a set of files, given their digests."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
