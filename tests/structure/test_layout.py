"""The rules of the house that no other tool checks: folders, names, first sentences, what may not be used."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "sink", "producers", "gpu_consumers", "streams")
TOP_LEVEL = {*PACKAGES, "deploy", "tests", "pyproject.toml", "README.md", "LICENSE"}


def tracked() -> list[Path]:
    """Files of the project, also those not committed yet, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


# what is published by itself: its folder is the whole of it for its readers, and its names are for them
PUBLISHED = [ROOT / "producers" / "client"]
SOURCES = [path for path in tracked() if path.suffix == ".py"]
OURS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in (*PACKAGES, "deploy")]


def test_the_top_level_is_fixed() -> None:
    """Seven names, three files, and dot-files."""
    assert {
        path.relative_to(ROOT).parts[0] for path in tracked() if not path.relative_to(ROOT).parts[0].startswith(".")
    } <= TOP_LEVEL


def test_every_test_folder_is_a_package() -> None:
    """Without it `import schemas` would find the tests of schemas."""
    folders = {path.parent for path in SOURCES if path.relative_to(ROOT).parts[0] == "tests"}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    """Reading the first lines from top to bottom is the manual."""
    sentence = ast.get_docstring(ast.parse(path.read_text()))
    assert sentence
    assert sentence.splitlines()[0].rstrip().endswith((".", ":", ";"))


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in OURS
        if p.name == "__init__.py" and p.relative_to(ROOT).parts[0] in PACKAGES and p.parent not in PUBLISHED
    ],
    ids=str,
)
def test_packages_hold_only_their_sentence(path: Path) -> None:
    """Import modules, not packages; only who installs a client imports all of it by its name."""
    assert len(ast.parse(path.read_text()).body) == 1


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in OURS if path.relative_to(ROOT).parts[0] in PACKAGES}), ids=str
)
def test_a_folder_is_taken_in_at_a_glance(folder: Path) -> None:
    """At most a dozen modules and sub-packages; a few more among the events, which everything else is made of."""
    modules = {path.stem for path in OURS if path.parent == folder and path.stem not in ("__init__", "py")}
    packages = {
        path.relative_to(folder).parts[0]
        for path in OURS
        if folder in path.parent.parents
        and not any(each.parent == folder and path.is_relative_to(each) for each in PUBLISHED)
    }
    assert len(modules | packages) <= (15 if folder == ROOT / "schemas" else 12), sorted(modules | packages)


def test_no_class_is_defined_twice() -> None:
    """A name in a traceback or a search leads to one place."""
    places: dict[tuple[bool, str], set[str]] = {}
    for path in OURS:
        is_published = any(path.is_relative_to(folder) for folder in PUBLISHED)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault((is_published, node.name), set()).add(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_other_distribution_owns_our_names() -> None:
    """Flat packages are fine as long as nobody else has them."""
    owners = importlib.metadata.packages_distributions()
    assert {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"scribe-rabbit"}} == {}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("gpu_consumers.__main__", ("faust", "psycopg", "fastapi")),
        ("streams.__main__", ("torch", "faster_whisper", "pyannote", "fastapi")),
        ("producers.api.__main__", ("torch", "faust", "faster_whisper", "av")),
        ("producers.__main__", ("torch", "faust", "faster_whisper", "av")),
        ("producers.relay", ("torch", "faust", "fastapi", "av")),
    ],
)
def test_images_need_not_hold_the_others_libraries(module: str, absent: tuple[str, ...]) -> None:
    """Each process starts where the libraries of the others are not installed."""
    block = "".join(f"sys.modules[{name!r}] = None; " for name in absent)
    code = f"import sys; {block}import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_dangerous_ways_are_not_taken(path: Path) -> None:
    """Pickle, shells, unchecked certificates, Faust's exactly_once, Python's hash for partitions."""
    tree = ast.parse(path.read_text())
    code = ast.unparse(tree)
    for word in ("confluent://", "exactly_once", "CERT_NONE", "verify=False", "shell=True", "pickle.load"):
        assert word not in "".join(line for line in code.splitlines() if not line.lstrip().startswith(('"', "'"))), word
    for name, call in calls(tree):
        arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert name != "hash", "partitions come from murmur2, identities from uuid5"
        if name == "torch.load":
            assert arguments.get("weights_only") == "True"
        if name == "av.open" and [ast.unparse(argument) for argument in call.args[1:2]] != ["'w'"]:
            assert path.name == "libav.py", "only one module opens media"


def test_only_settings_reads_the_environment() -> None:
    """Settings are arguments; the environment is read once, at the door."""
    beside = {
        "producers/cli/clients/surroundings.py",  # names the variables of others that HTTP clients read
        "producers/cli/commands/options.py",  # completes a line without pydantic
    }
    readers = {
        str(path.relative_to(ROOT))
        for path in OURS
        if path.relative_to(ROOT).parts[0] in PACKAGES and re.search(r"os\.environ|os\.getenv", path.read_text())
    }
    assert readers == beside


def test_console_scripts_exist() -> None:
    """What pyproject promises can be started."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for target in scripts.values():
        module, function = target.split(":")
        tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
        assert any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body), target


def test_the_licence_is_whole_and_named() -> None:
    """The text of Apache-2.0, and the package's own word for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    text = (ROOT / "LICENSE").read_text()
    for folder in PUBLISHED:
        assert (folder / "LICENSE").read_text() == text
    assert "Apache License" in text.splitlines()[1]
    assert "END OF TERMS AND CONDITIONS" in text
