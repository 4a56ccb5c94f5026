"""Files and modules that code, comments and docstrings name: they are there."""

import re
from pathlib import Path

import pytest

from tests.structure.test_layout import PACKAGES, ROOT, SOURCES

TREES = "|".join((*PACKAGES, "deploy", "tests"))
PATH = re.compile(rf"(?<![\w./:-])(?:{TREES})/[\w./*…-]+")
MODULE = re.compile(rf"python -m ((?:{TREES})\b[\w.]*)")
MADE_UP = {  # they name files that are not there
    ROOT / "tests/deploy/test_changed.py",
    ROOT / "tests/deploy/checks/aws/test_aws_check.py",
    Path(__file__),
}


def missing(text: str) -> list[str]:
    """The named files and modules that do not exist; patterns and beginnings with an ellipsis are neither."""
    paths = [name.rstrip(".,-") for name in PATH.findall(text) if not {"*", "…"} & set(name)]
    modules = [name.rstrip(".").replace(".", "/") for name in MODULE.findall(text)]
    return [
        *(name for name in paths if not (ROOT / name).exists()),
        *(name for name in modules if not ((ROOT / f"{name}.py").exists() or (ROOT / name / "__main__.py").exists())),
    ]


def test_what_code_names_exists() -> None:
    found = {str(path.relative_to(ROOT)): missing(path.read_text()) for path in SOURCES if path not in MADE_UP}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "text", ["# see tests/system/test_nothing.py", "python -m deploy.nothing", "like sink/nothing."]
)
def test_a_name_of_nothing_is_found(text: str) -> None:
    assert missing(text) != []
