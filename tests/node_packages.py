"""Packages of Node for tests, fetched once for all checkouts by npm and checked against the digest that is named here."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from deploy.local.artifacts import cache_folder

FETCH_SECONDS = 120
# each needs no other package, tus-js-client as what it has for browsers
DIGESTS = {
    "tus-js-client@4.3.1": "ZLeYmjrkaU1fUsKbIi8JML52uAocjEZtBx4DKjRrqzrZa0O4MYwT6db+oqePlspV+FxXJAyFBc/L5gwUi2OFsg==",
    "openai@6.49.0": "aYCc0C6L864eR6WSYIwQGyXriw/nIyZx0ObvhzOEVuk0zoBDpynjSbrionWI7q65B5H8jJX0DXR9snEzM6bfPg==",
}


def require_package(name: str) -> Path:
    """The folder of a package; a test is skipped where Node or the package cannot be had."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    folder = cache_folder() / "node" / name
    if not folder.is_dir():
        _fetch(name, folder)
    return folder / "package"


def _fetch(name: str, folder: Path) -> None:
    """Unpack the genuine package into `folder`, which is there only as a whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
        packed = _packed(name, Path(part))
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        assert digest == DIGESTS[name], f"what came is not the pinned {name}: sha512-{digest}"
        whole = Path(part) / "whole"
        with tarfile.open(packed) as archive:
            archive.extractall(whole, filter="data")
        whole.replace(folder)


def _packed(name: str, folder: Path) -> Path:
    """The file of a package as the registry has it; none of its scripts is run."""
    command = ["npm", "pack", name, "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm does not fetch {name} within {FETCH_SECONDS} s")
    if done.returncode != 0:
        pytest.skip(f"npm does not fetch {name}: {done.stderr.strip()[-300:]}")
    return folder / done.stdout.split()[-1]
