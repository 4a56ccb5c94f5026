"""The scripts of the page: whole, small, closed to markup, and in what is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.structure.test_layout import ROOT, tracked

APP = ROOT / "producers" / "api" / "pages" / "app"
FILES = [path for path in tracked() if path.is_relative_to(APP)]
SCRIPTS = [path for path in FILES if path.suffix == ".js" and path.parent.name != "vendor"]
MOST_LINES = 250
# ways in which text becomes markup or code, and styles that the policy would refuse
FORBIDDEN = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc| style=|\bsetAttribute\(\"(on|style)"
_IMPORT = re.compile(r'^(?:import|export) .*?from "(.+?)";', re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(APP))


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_is_short_opens_with_what_it_is_and_makes_no_markup(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("// ")
    assert text.count("\n") <= MOST_LINES
    assert re.findall(f"dangerouslySet|{FORBIDDEN}", text) == []


def test_scripts_import_only_what_is_there_and_are_all_imported() -> None:
    imported = {APP / "main.js"}
    for path in SCRIPTS:
        for name in _IMPORT.findall(path.read_text()):
            found = (path.parent / name).resolve()
            assert found in FILES, f"{name_of(path)} imports {name}"
            imported.add(found)
    assert {path for path in FILES if path.suffix == ".js"} == imported


def test_all_scripts_are_announced_by_the_page() -> None:
    """So that a browser asks for all at once, and not for one after the other as it comes to their imports."""
    announced = re.findall(r'modulepreload" href="app/(.+?)"', (APP / "index.html").read_text())
    assert sorted(announced) == sorted(
        name_of(path) for path in FILES if path.suffix == ".js" and path.name != "main.js"
    )


def test_scripts_are_javascript(tmp_path: Path) -> None:
    """As Node.js reads them, where there is one."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on the PATH: the tests in a browser read them too")
    for path in SCRIPTS:
        module = tmp_path / path.with_suffix(".mjs").name
        module.write_text(path.read_text())
        done = subprocess.run([node, "--check", module], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_what_is_vendored_is_named_with_its_licence() -> None:
    vendored = {path.name for path in (APP / "vendor").iterdir()}
    described = (APP / "vendor" / "README.md").read_text()
    assert [name for name in vendored - {"README.md"} if f"`{name}`" not in described] == []
    assert any(name.startswith("LICENSE") for name in vendored)
