"""Pins that a registry entry needs so that every machine loads the same model. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path

from schemas.models.registry import COMMIT, ModelEntry


def unpinned(entry: ModelEntry, folder: Path, found: Mapping[str, str]) -> str:
    """The message to operators about an unpinned entry: the lines of TOML that pin it to the files in its folder.

    `found`: its files with their sha256. The folder of a model of the hub is called as the commit that it is of.
    """
    name = json.dumps(entry.name)
    commit = [f'revision = "{folder.name}"'] if entry.hub and COMMIT.fullmatch(folder.name) else []
    digests = [f"{json.dumps(file)} = {json.dumps(digest)}" for file, digest in sorted(found.items())]
    lines = [f"[models.{name}]", *commit, "", f"[models.{name}.sha256]", *digests]
    return "\n".join(
        [f"model '{entry.name}' is not pinned: other files may come under this name. What pins it:", *lines]
    )
