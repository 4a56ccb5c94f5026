"""Models of the hub: taken from its client's cache, else downloaded."""

import importlib
from pathlib import Path
from typing import Any

from gpu_consumers.engines.models.errors import Unreachable
from schemas.errors import Fatal
from schemas.models.registry import ModelEntry

# what the client raises: errors of HTTP are of the first, of names the second
FAILURES = (OSError, ValueError, RuntimeError)


def cached_folder(entry: ModelEntry, cache: Path | None) -> Path | None:
    """The folder of a model that was downloaded before."""
    try:
        return Path(_client().snapshot_download(**_where(entry, cache), local_files_only=True))
    except (OSError, ValueError):
        return None


def bytes_to_fetch(entry: ModelEntry, cache: Path | None) -> int:
    """The size of the download from the hub; raises Unreachable, Fatal."""
    planned = _answer(entry, _where(entry, cache) | {"dry_run": True})
    return sum(file.file_size for file in planned if file.will_download)


def fetched_folder(entry: ModelEntry, cache: Path | None) -> Path:
    """The folder of a model after its missing files were downloaded; raises Unreachable, Fatal."""
    return Path(_answer(entry, _where(entry, cache)))


def _answer(entry: ModelEntry, wanted: dict[str, Any]) -> Any:
    try:
        return _client().snapshot_download(**wanted)
    except FAILURES as error:
        if importlib.import_module("huggingface_hub.constants").HF_HUB_OFFLINE:
            raise Fatal(
                f"model '{entry.name}': {entry.hub} is not on this machine, and the hub is switched off"
            ) from error
        raise Unreachable(f"model '{entry.name}' could not be fetched: {type(error).__name__}: {error}") from error


def _client() -> Any:
    # imported here: it takes long, and a process whose models lie in folders never needs it
    return importlib.import_module("huggingface_hub")


def _where(entry: ModelEntry, cache: Path | None) -> dict[str, Any]:
    return {"repo_id": entry.hub, "revision": entry.revision, "cache_dir": cache}
