"""The client as a package of its own: built, installed without the service, light, and typed."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.readme import ROOT
from tests.producers.client.package import SOURCE, built, installed, run

MOST_MODULES = 260  # with all of the standard library that they bring
LIGHT = """
import json, sys
import scribe_rabbit_client
from scribe_rabbit_client import AsyncClient, Client
print(json.dumps([scribe_rabbit_client.__file__, scribe_rabbit_client.__version__, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(wheel, tmp_path_factory.mktemp("installed"))


def test_it_is_imported_without_the_service(python: Path, tmp_path: Path) -> None:
    """And brings nothing heavy along, nor more modules than a light package may."""
    done = run(python, LIGHT, tmp_path)
    assert done.returncode == 0, done.stderr
    place, version, modules = json.loads(done.stdout)
    assert "site-packages" in place
    assert version == "0.1.0"
    packages = {name.partition(".")[0] for name in modules}
    foreign = packages - set(sys.stdlib_module_names) - {"scribe_rabbit_client"}
    assert {name for name in foreign if not name.startswith("_")} <= {"httpx", "idna"}
    assert packages & {"asyncio", "anyio", "dataclass", "sqlite3", "multiprocessing", "xml"} == set()
    assert len(modules) <= MOST_MODULES


def test_it_brings_its_types_and_its_licence(wheel: Path, python: Path, tmp_path: Path) -> None:
    code = tmp_path / "program.py"
    code.write_text(
        "from scribe_rabbit_client import Client\n"
        'with Client("http://127.0.0.1", "k") as client:\n'
        '    seconds: int = client.job("x").state\n'
        '    client.submit("https://x.example", langage="he")\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--python-executable={python}", str(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "program.py:3: error: Incompatible types" in done.stdout, done.stdout
    assert 'program.py:4: error: Unexpected keyword argument "langage"' in done.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
    )
    assert "scribe_rabbit_client/py.typed" in listed.stdout
    assert "licenses/LICENSE" in listed.stdout


def test_what_it_needs_is_httpx() -> None:
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (needed,) = project["project"]["dependencies"]
    assert needed.startswith("httpx")
    assert project["build-system"] == whole["build-system"]
    assert project["project"]["requires-python"] == whole["project"]["requires-python"]
