"""Tests of one service stay on one worker, or each worker would start it anew, again and again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.environment import ROOT
from tests.distribution import ONE_SERVICE, ByService

TEST = """
import os
import pathlib

def test_says_where_it_runs():
    pathlib.Path(os.environ["SAID"], pathlib.Path(__file__).stem).write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/system/test_kill.py::test_a[gpu::x]", "tests/system/"),
        ("tests/integration/foreign/test_codecs.py::test_a", "tests/integration/foreign/"),
        ("tests/integration/test_cli.py::test_a[a]", "tests/integration/test_cli.py"),
    ],
)
def test_a_file_is_a_unit_and_so_is_a_folder_with_one_service(nodeid: str, unit: str) -> None:
    assert ByService._split_scope(ByService.__new__(ByService), nodeid) == unit


def test_workers_get_their_tests_that_way(tmp_path: Path) -> None:
    """Two workers, four files of one service, one of none: whoever has the service has all of it."""
    folder, said = tmp_path / "tests" / "system", tmp_path / "said"
    folder.mkdir(parents=True)
    said.mkdir()
    for name in ("system/test_a", "system/test_b", "system/test_c", "system/test_d", "test_alone"):
        (tmp_path / "tests" / f"{name}.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-p", "tests.distribution", "-n", "2", "--dist", "loadfile"]
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={tmp_path}", "-c", "/dev/null"]
    environment = {**os.environ, "SAID": str(said), "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *options, str(tmp_path)], cwd=ROOT, env=environment, check=True, timeout=250)
    workers = {path.name: path.read_text() for path in said.iterdir()}
    assert len(workers) == 5
    assert len({workers[f"test_{letter}"] for letter in "abcd"}) == 1
    assert len(set(workers.values())) == 2


def test_every_folder_with_something_for_all_its_files_is_named() -> None:
    conftests = (path for path in (ROOT / "tests").rglob("conftest.py") if 'scope="package"' in path.read_text())
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in conftests}
    assert folders <= set(ONE_SERVICE)
    assert all((ROOT / folder).is_dir() for folder in ONE_SERVICE)
