"""Tests of one service stay on one worker, or each worker would start it anew, again and again."""

from pathlib import Path

import pytest

from deploy.environment import ROOT
from tests.distribution import ONE_SERVICE, ByService


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


def test_every_folder_with_something_for_all_its_files_is_named() -> None:
    conftests = (path for path in (ROOT / "tests").rglob("conftest.py") if 'scope="package"' in path.read_text())
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in conftests}
    assert folders <= set(ONE_SERVICE)
    assert all(Path(ROOT / folder).is_dir() for folder in ONE_SERVICE)
