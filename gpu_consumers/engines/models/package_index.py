"""Pinned wheels from pip's configured index as files: pip alone contacts it, builds nothing and installs nothing."""

import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from gpu_consumers.engines.models.errors import FetchFailed, ModelDiskFull, NotGenuine, Unreachable
from gpu_consumers.files import sha256_of
from schemas.models.sources import Wheel

STDERR = 2
SECONDS = 1800  # for one wheel: a network that is stuck must not hold the command for ever
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
# what pip says in its log, in words that it has used since version 20; the first that is found counts
REASONS = (
    (r"No space left on device", ModelDiskFull, "the disk is full"),
    (r"DO NOT MATCH THE HASHES", NotGenuine, "what the index has under that name is another file"),
    (r"Retrying \(Retry|Connection|timed out|SSLError|HTTP error|Network", Unreachable, "the index does not answer"),
    (r"No matching distribution", Unreachable, "the index has no such wheel"),
)


def ensure_wheel(wheel: Wheel, folder: Path) -> Path:
    """The wheel in a folder, downloaded if missing; raises FetchFailed."""
    path = folder / wheel.file
    if is_genuine(path, wheel):
        return path
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part:
        downloaded = _download(wheel, Path(part))
        if not is_genuine(downloaded, wheel):
            raise NotGenuine(f"{wheel.file} is not the pinned file (sha256 {wheel.sha256})")
        downloaded.replace(path)
    return path


def is_genuine(path: Path, wheel: Wheel) -> bool:
    """Whether the file is present and is exactly the pinned one."""
    return path.is_file() and path.stat().st_size == wheel.size and sha256_of(path) == wheel.sha256


def _download(wheel: Wheel, folder: Path) -> Path:
    wanted, log = folder / "wanted.txt", folder / "pip.log"
    wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    command = [
        *(_python_with_pip(), *PIP, "download", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(*_of_any_platform(wheel), "--dest", str(folder), "--log", str(log), "--requirement", str(wanted)),
        *(() if sys.stderr.isatty() else ("--quiet", "--quiet", "--quiet", "--progress-bar", "off")),
    ]
    try:
        # its bars are for people: what this command prints is data
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=STDERR, timeout=SECONDS, check=False)  # noqa: S603 - all arguments are pinned names
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{wheel.file} did not arrive within {SECONDS // 60} minutes") from error
    if done.returncode:
        raise _failure(wheel, log.read_text(errors="replace") if log.exists() else "")
    return folder / wheel.file


def _of_any_platform(wheel: Wheel) -> list[str]:
    """Options that let pip take a wheel for another Python or platform than this one: nothing of it is run."""
    python, abi, platforms = wheel.tags
    if abi == "none" and platforms == ("any",):
        return []
    version = re.sub(r"^\D+", "", python)
    named = [word for platform in platforms for word in ("--platform", platform)]
    return ["--implementation", python.removesuffix(version), "--python-version", version, "--abi", abi, *named]


@cache
def _python_with_pip() -> str:
    """The path of this Python, or the base of its environment, since environments of uv have no pip of their own."""
    for python in dict.fromkeys((sys.executable, getattr(sys, "_base_executable", sys.executable))):
        found = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)  # noqa: S603 - a Python
        if found.returncode == 0:
            return str(python)
    raise Unreachable("there is no pip here: run `python -m ensurepip`, or fetch elsewhere and bring the folder")


def _failure(wheel: Wheel, log: str) -> FetchFailed:
    for pattern, error, reason in REASONS:
        if re.search(pattern, log):
            return error(f"{wheel.file}: {reason} (pip's settings name the index, for instance PIP_INDEX_URL)")
    said = re.findall(r"ERROR: (.+)", log) or ["pip failed and did not say why"]
    return FetchFailed(f"{wheel.file}: {said[-1]}")
