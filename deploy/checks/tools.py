"""The environment of the tools that deploy/check runs, from hashed versions of its own; and programs of the machine."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from deploy.environment import CACHE, REQUIREMENTS, ROOT, ensure_uv, uv_environment

LOCK = REQUIREMENTS / "check.txt"


def tools() -> Path:
    """The folder with the tools' programs, installed on the first call (570 MB); raises CalledProcessError."""
    folder = CACHE / f"check-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    programs = folder / "bin"
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            uv = ensure_uv()
            python = str(programs / "python")
            environment = uv_environment()
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(LOCK)]
            subprocess.run(sync, env=environment, check=True)
            (folder / "ready").touch()
    return programs


def without(program: str, purpose: str) -> str | None:
    """The reason why a check cannot run without a program, None when this machine has it."""
    return None if shutil.which(program) else f"no {program}, which {purpose}"


def run(
    command: Sequence[str | Path], *, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end and return its output, whatever its exit status."""
    own = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
