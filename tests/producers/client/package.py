"""The client as a wheel in an environment of its own, beside which only what httpx needs can be imported."""

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

from deploy.readme import ROOT

SOURCE = ROOT / "producers" / "client"
NEEDED = ("httpx", "httpcore", "h11", "certifi", "idna", "anyio", "sniffio", "typing_extensions")


def built(folder: Path) -> Path:
    """The wheel, made with the back end that is installed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=SOURCE, check=True, capture_output=True)
    (found,) = folder.glob("scribe_rabbit_client-*.whl")
    return found


def installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment with the wheel."""
    needed = folder / "needed"
    needed.mkdir()
    for name in NEEDED:
        origin = Path(str(spec.origin)) if (spec := find_spec(name)) else None
        assert origin, name
        found = origin.parent if origin.name == "__init__.py" else origin
        (needed / found.name).symlink_to(found)
    venv.create(folder / "environment", with_pip=True)
    python = folder / "environment" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return python


def run(python: Path, code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in such an environment."""
    values = {"PATH": os.environ["PATH"], "PYTHONPATH": str(python.parents[2] / "needed"), **environment}
    command = [str(python), "-c", code]
    return subprocess.run(command, cwd=folder, env=values, capture_output=True, text=True, check=False, timeout=120)
