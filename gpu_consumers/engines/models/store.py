"""The folder of downloaded models: the location of each, and its check against the registry."""

from pathlib import Path

from gpu_consumers.files import sha256_of
from schemas.models.registry import ModelEntry

DEFAULT = Path(".cache", "scribe-rabbit", "models")  # below the user's home


def models_folder(cache: Path | None) -> Path:
    """SCRIBE_MODELS_CACHE, or a folder of the user's own."""
    return cache if cache is not None else Path.home() / DEFAULT


def fetched_folder(entry: ModelEntry, cache: Path | None) -> Path:
    """The location of a downloaded model from wheels."""
    return models_folder(cache) / entry.folder_name


def files_of(folder: Path) -> dict[str, str]:
    """All files of a model with their sha256, except hidden ones."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in found}


def mistakes_in(entry: ModelEntry, found: dict[str, str]) -> list[str]:
    """Differences from the files pinned in the registry, one sentence each; other files are ignored."""
    return [
        f"{name} is {found.get(name, 'missing')}, not {expected}"
        for name, expected in entry.sha256.items()
        if found.get(name) != expected
    ]
