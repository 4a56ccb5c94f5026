"""The bootstrap of the Python environment, on a small checkout with two small packages."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.environment import COMPILED, from_here, spare_processors

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path("deploy/requirements")
PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["small"]
"""
SMALL = ("editables", "hatchling", "packaging", "pathspec", "pluggy", "six", "trove-classifiers")
# what a too old Python meets, in this one
PRETEND_OLD = """
import sys
sys.path.insert(0, "deploy")
import environment
sys.version_info = (3, 8, 0)
environment.use_a_new_enough_python()
"""


def locked(text: str, names: tuple[str, ...]) -> str:
    """The entries of some packages out of a lock file, with their hashes."""
    entries = re.findall(r"^[^\s#].*(?:\n    .*)*", text, re.MULTILINE)
    return "\n".join(entry for entry in entries if entry.split("==")[0] in names) + "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project of its own that uses our bootstrap."""
    (tmp_path / REQUIREMENTS).mkdir(parents=True)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    shutil.copy(ROOT / "deploy" / "environment.py", tmp_path / "deploy")
    shutil.copy(ROOT / REQUIREMENTS / "bootstrap.txt", tmp_path / REQUIREMENTS)
    (tmp_path / REQUIREMENTS / "dev.bytes").write_text("1000000\n")
    (tmp_path / REQUIREMENTS / "dev.txt").write_text(locked((ROOT / REQUIREMENTS / "dev.txt").read_text(), SMALL))
    (tmp_path / ".cache").mkdir()
    for uv in (ROOT / ".cache").glob("uv-*"):  # fetched once for the project itself
        (tmp_path / ".cache" / uv.name).symlink_to(uv)
    return tmp_path


def make(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the bootstrap as `deploy/test` does first of all."""
    command = [sys._base_executable, "deploy/environment.py"]  # type: ignore[attr-defined]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)


def test_it_is_made_once_and_again_when_the_lock_changes(checkout: Path) -> None:
    first = make(checkout)
    assert first.returncode == 0, first.stderr
    python = checkout / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", "import small, hatchling"], cwd="/", check=False).returncode == 0
    assert (make(checkout).stdout, make(checkout).stderr) == ("", "")

    lock = checkout / REQUIREMENTS / "dev.txt"
    kept = tuple(name for name in SMALL if name != "six")
    lock.write_text(locked(lock.read_text(), kept))
    assert make(checkout).returncode == 0
    assert subprocess.run([python, "-c", "import six"], stderr=subprocess.DEVNULL, check=False).returncode


def test_a_package_with_another_digest_is_refused(checkout: Path) -> None:
    lock = checkout / REQUIREMENTS / "dev.txt"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text()))
    done = make(checkout)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv" / "scribe-stamp").exists()


def test_an_old_python_is_told_what_it_needs(checkout: Path) -> None:
    command = [sys.executable, "-c", PRETEND_OLD]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, env={"PATH": "/nowhere"}, check=False)
    assert (done.returncode, done.stderr) == (1, "error: Python 3.11 or newer is needed, this is 3.8\n")


def test_a_disk_without_room_is_told_before_anything_is_fetched(checkout: Path) -> None:
    code = "import sys; sys.path.insert(0, 'deploy'); import environment; environment.check_disk(10**18)"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "GB are needed on the disk" in done.stderr


def test_bytecode_is_written_beside_the_tree_whatever_the_environment_says() -> None:
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "ACTIVE"}
    spare_processors(environment)
    assert environment == {"PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "bytecode"), "OMP_WAIT_POLICY": "ACTIVE"}
    bare: dict[str, str] = {}
    spare_processors(bare)
    assert bare["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("name", [name for name in COMPILED if not name.startswith("pyannote")])
def test_what_is_compiled_in_advance_exists(name: str) -> None:
    assert find_spec(name)


def test_paths_are_those_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is called like a file there."""
    monkeypatch.chdir(tmp_path)
    for name in ("call.mp3", "he", "base"):
        (tmp_path / name).touch()
    given = ["call.mp3", "--language", "he", "--model", "base", "--dir", "data", "--keep", "--dir=more"]
    meant = [f"{tmp_path}/call.mp3", *given[1:6], f"{tmp_path}/data", "--keep", f"--dir={tmp_path}/more"]
    assert from_here(given) == meant


def test_help_makes_no_environment(checkout: Path) -> None:
    code = "import sys; sys.path.insert(0, 'deploy'); import environment; environment.run_module('x', ['--help'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode, "GB" in done.stdout) == (0, True), done.stderr
    assert not (checkout / ".venv").exists()
