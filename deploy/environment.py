"""Creation of the project's Python environment in `.venv`, with only Python and pip; instant when it is up to date.

It uses only the standard library, and only syntax that an old Python can parse before it reports that it is too old.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "deploy" / "requirements"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "scribe-stamp"
CACHE = ROOT / ".cache"
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
# what the first start of the service would compile, which takes it 20 s longer
COMPILED = (
    "gpu_consumers.__main__",
    "gpu_consumers.engines.faster_whisper",
    "gpu_consumers.engines.pyannote",
    "gpu_consumers.campplus",
    "pyannote.audio.pipelines.speaker_diarization",
    "producers.api.__main__",
    "producers.cli.app",
    "producers.relay",
    "streams.__main__",
    "streams.agents.persist",
)
STEP_SECONDS = 1800  # for one command: a network that is stuck must not hold a run for ever
HELP = """The first run makes an environment in .venv (about %.0f GB: PyTorch comes with its CUDA libraries), which knows more of
--help than this. `python3 deploy/environment.py` makes it and runs nothing. README.md says what the commands do."""
SPARE_BYTES = 1_000_000_000  # for the packages' own temporary files


class EnvironmentFailed(Exception):
    """Error: the environment could not be made; the message says what to do."""


def run_module(module: str, arguments: list[str]) -> None:
    """Make the environment if needed, then become `python -m module arguments` in it; never returns."""
    use_a_new_enough_python()
    if "--help" in arguments and not is_current():
        print(HELP % (installed_bytes() / 1e9))
        sys.exit(0)
    try:
        ensure()
    except EnvironmentFailed as error:
        sys.exit("error: %s" % error)  # noqa: UP031 - readable for an old Python
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(str(ROOT))
    spare_processors(os.environ)
    os.execv(str(PYTHON), [str(PYTHON), "-m", module, *arguments])  # noqa: S606 - that is the purpose


def from_here(words: list[str]) -> list[str]:
    """The arguments of the demo, which runs in the project's folder, with paths as they are from where one stands."""
    found, option = [], ""
    for word in words:
        if word.startswith("--dir="):
            word = f"--dir={Path.cwd() / word[len('--dir=') :]}"
        elif option == "--dir" or (option not in ("--language", "--model") and Path(word).is_file()):
            word = str(Path.cwd() / word)
        found.append(word)
        option = word
    return found


def spare_processors(environment: MutableMapping[str, str]) -> None:
    """Set what lets many processes start and work on few processors, for this command and all that it starts."""
    # compiled once, outside of the tree: where none is written, each process compiles all it imports
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(CACHE / "bytecode")
    # threads of a model that wait for each other leave the processor to other work
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def use_a_new_enough_python() -> None:
    """Restart in a newer Python of this machine when this one is too old, or exit with a message."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        found = shutil.which(name)
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, *sys.argv])  # noqa: S606 - the same command in a newer Python
    sys.exit("error: Python 3.11 or newer is needed, this is %d.%d" % sys.version_info[:2])  # noqa: UP031


def ensure() -> None:
    """Make `.venv` hold exactly deploy/requirements/dev.txt and this project; raises EnvironmentFailed."""
    if is_current():
        return
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current():
            _make()


def is_current() -> bool:
    """Whether the environment was made from the present files, by this Python version."""
    try:
        return STAMP.read_text() == wanted_stamp() and PYTHON.exists()
    except OSError:
        return False


def wanted_stamp() -> str:
    """The contents of the stamp file of an up-to-date environment."""
    digest = hashlib.sha256(f"{ROOT} {sys.version_info[:2]}".encode())
    for path in (REQUIREMENTS / "dev.txt", ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make() -> None:
    uv = ensure_uv()
    if venv_version() != sys.version_info[:2]:
        say("Making %s with Python %d.%d" % (VENV, *sys.version_info[:2]))  # noqa: UP031
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])
    STAMP.unlink(missing_ok=True)
    sync = [uv, "pip", "sync", "--require-hashes", "--python", str(PYTHON), str(REQUIREMENTS / "dev.txt")]
    missing = packages_to_fetch(uv, sync)
    if missing:
        size = installed_bytes()
        say(f"Fetching {missing} packages, about {size / 1e9:.1f} GB installed (most of it is PyTorch with CUDA)")
        check_disk(size)
    # a terminal gets progress bars; a log would get hundreds of lines instead
    _run(sync if missing and sys.stderr.isatty() else [*sync, "--quiet"])
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--offline", "--python", str(PYTHON)]
    _run([uv, "pip", "install", *options, "--editable", str(ROOT)])
    compile_imports()
    STAMP.write_text(wanted_stamp())


def compile_imports() -> None:
    """Compile the modules of the service's processes, and all that they import, by importing them; errors come at the start."""
    environment = dict(os.environ)
    spare_processors(environment)
    code = (
        "import contextlib, importlib, warnings\nwarnings.simplefilter('ignore')\n"
        f"for name in {COMPILED!r}:\n    with contextlib.suppress(Exception): importlib.import_module(name)"
    )
    subprocess.run([str(PYTHON), "-c", code], cwd=str(ROOT), env=environment, check=False, timeout=STEP_SECONDS)


def venv_version() -> tuple[int, ...] | None:
    """The Python version of the existing environment; None when there is none or it does not run."""
    if not PYTHON.exists():
        return None
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def ensure_uv() -> str:
    """The pinned uv, installed with pip into a folder of its own; returns its path."""
    pinned = REQUIREMENTS / "bootstrap.txt"
    folder = CACHE / f"uv-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        say("Fetching uv, which fetches the rest")
        CACHE.mkdir(exist_ok=True)
        python = getattr(sys, "_base_executable", sys.executable)  # not ours in .venv, which has no pip
        with tempfile.TemporaryDirectory(dir=str(CACHE)) as part:
            pip = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--root-user-action=ignore",
            ]
            _run([*pip, "--require-hashes", "--no-deps", "--target", f"{part}/uv", "-r", str(pinned)])
            Path(part, "uv").replace(folder)
    return str(folder / "bin" / "uv")


def packages_to_fetch(uv: str, sync: list[str]) -> int:
    """The number of packages that are neither in the environment nor in uv's cache."""
    command = [uv, *sync[1:3], "--dry-run", *sync[3:]]
    done = subprocess.run(command, env=uv_environment(), capture_output=True, text=True, check=False)
    found = re.search(r"Would download (\d+)", done.stderr)
    return int(found.group(1)) if found else 0


def installed_bytes() -> int:
    """The size of the whole environment on disk in bytes, as measured when it was locked."""
    return int((REQUIREMENTS / "dev.bytes").read_text())


def check_disk(needed: int) -> None:
    """Raise EnvironmentFailed unless the environment and some spare room fit on the disk."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < needed + SPARE_BYTES:
        raise EnvironmentFailed(
            f"{(needed + SPARE_BYTES) / 1e9:.1f} GB are needed on the disk of {ROOT}, {free / 1e9:.1f} GB are free"
        )


def uv_environment() -> dict[str, str]:
    """The environment variables for uv: ours, with pip's settings for a mirror and for certificates translated."""
    variables = dict(os.environ)
    pairs = (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE"))
    for theirs, uvs in pairs:
        if theirs in variables:
            variables.setdefault(uvs, variables[theirs])
    variables.pop("VIRTUAL_ENV", None)
    return variables


def say(text: str) -> None:
    """Print a progress message before the output of the next command."""
    print(text, file=sys.stderr, flush=True)


def _run(command: list[str]) -> None:
    try:
        code = subprocess.call(command, env=uv_environment(), timeout=STEP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(
            "`%s ...` did not end in %d minutes" % (" ".join(command[:4]), STEP_SECONDS / 60)  # noqa: UP031
        ) from error
    if code:
        raise EnvironmentFailed(
            f"`{' '.join(command[:4])} ...` failed, see above. Is the package index reachable (a mirror: PIP_INDEX_URL), "
            "and is there room on the disk? Run it again then: what was fetched is kept."
        )


if __name__ == "__main__":
    use_a_new_enough_python()
    try:
        ensure()
    except EnvironmentFailed as failure:
        sys.exit(f"error: {failure}")
