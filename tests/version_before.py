"""The version before this one, taken from the history of this clone: its code in a folder, and how its processes start."""

import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from deploy.local.service import COMMANDS as COMMANDS_NOW

ROOT = Path(__file__).parents[1]
COMMIT = "010414d61d7e"  # what operators come from; tests/README.md says when it moves on
OTHERWISE: Mapping[str, tuple[str, ...]] = {"retention": ("streams", "retain")}
"""The commands that this commit spells otherwise, by the names of today."""
COMMANDS = {**COMMANDS_NOW, **OTHERWISE}
PACKAGES = ("schemas", "sink", "producers", "gpu_consumers", "streams")
HARNESS = ("tests/__init__.py", "tests/executions.py", "tests/chaos")
"""What of its tests starts its processes with fake stages, see tests.chaos.launch."""


class NotHere(Exception):
    """The commit is not in the history of this clone."""


def unpack(folder: Path) -> Path:
    """Put its code into a folder, which is returned; raises NotHere."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "code.tar"
    if not _known():
        raise NotHere(
            f"the version before ({COMMIT}) is not in the history here: `git fetch --unshallow` fetches it into a shallow clone"
        )
    subprocess.run(["git", "archive", "-o", archive, COMMIT, *PACKAGES, *HARNESS], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    return folder


def environment(code: Path) -> dict[str, str]:
    """What makes a Python process run that code; its packages are those of this version."""
    return {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}


def _known() -> bool:
    looked = ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"]
    try:
        return subprocess.run(looked, cwd=ROOT, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
