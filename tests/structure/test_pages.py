"""What the pages show is the code: tables, paths, links, commands, settings, metrics, operations, names of classes."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.core import TyperGroup

from deploy.readme import FOLDERS, README, ROOT, TABLES, WITHOUT_CODE, exported_metrics, marked, metric_name, pages
from deploy.readme import rendered as rendered_page
from gpu_consumers.command import cli as gpu_cli
from producers.api.app import create_app
from producers.api.services import Services
from producers.cli.app import create_cli
from producers.commands import run_api, run_relay
from schemas.process.command_line import one_command
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from streams.command import cli as streams_cli
from tests.integration.page.screenshots import MOST_BYTES
from tests.structure.test_layout import tracked

VARIABLES = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}
EXAMPLE = ROOT / ".env.example"
README_LINES, README_BYTES = 250, 20_000  # what one reads before anything else
OF_TESTS = {"SCRIBE_TEST_STACK"}
CLIS: dict[str, typer.Typer] = {
    "scribe": create_cli(),
    "scribe-streams": streams_cli,
    "scribe-gpu": gpu_cli,
    "scribe-api": one_command(run_api),
    "scribe-relay": one_command(run_relay),
}
FOLDER = "|".join(FOLDERS)
PUBLISHED_AS = {"scribe_rabbit_client": "producers.client"}
each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


def spans(page: Path) -> Iterator[str]:
    """What stands in code: each span on one line, each line of each block of shell."""
    text = page.read_text()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        yield " ".join(span.split())


@each_page
def test_what_is_made_from_the_code_is_the_code(page: Path) -> None:
    text = page.read_text()
    assert rendered_page(text) == text, "run: python -m deploy.readme"


def test_each_table_has_one_place() -> None:
    assert sorted(name for page in pages() for name in marked(page.read_text())) == sorted(TABLES)


def test_the_readme_is_read_in_ten_minutes() -> None:
    """The rest stands where its reader does."""
    assert len(README.read_text().splitlines()) <= README_LINES
    assert len(README.read_bytes()) <= README_BYTES


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_has_a_page_with_a_map(folder: str) -> None:
    assert marked((ROOT / folder / "README.md").read_text()).count(f"modules-{folder}") == 1


def test_every_folder_says_what_it_is_for() -> None:
    """By a page, by the sentence of its package, or in the map of the folder above; test folders mirror the code."""
    every = {parent for path in tracked() for parent in path.relative_to(ROOT).parents if parent.parts}
    silent = [f for f in every if f.parts[0] not in ("tests", ".ci") and not _says(f)]
    assert silent == []


def _says(folder: Path) -> bool:
    here = ROOT / folder
    if (here / "README.md").exists() or str(folder) in WITHOUT_CODE:
        return True
    if (here / "__init__.py").exists():
        return bool(ast.get_docstring(ast.parse((here / "__init__.py").read_text())))
    above = here.parent / "README.md"
    return f"`{folder.name}`" in above.read_text() if above.exists() else _says(folder.parent)


@cache
def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as forges make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """To a file and a heading of it that are there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


PICTURES = ROOT / "producers" / "pictures"
MOST_PICTURES = 6


@each_page
def test_pictures_are_there_and_say_what_they_show(page: Path) -> None:
    for words, target in re.findall(r"!\[(.*?)\]\(([^)\s]+)\)", page.read_text()):
        picture = (page.parent / target).resolve()
        assert picture in tracked(), target
        assert picture.stat().st_size <= MOST_BYTES, target
        assert len(words.split()) > 2, target


def test_all_pictures_are_shown_and_few() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in pages()
        for target in re.findall(r"!\[.*?\]\(([^)\s]+)\)", page.read_text())
    }
    kept = {path for path in tracked() if path.parent == PICTURES}
    assert kept
    assert kept <= shown
    assert len(kept) <= MOST_PICTURES


@each_page
def test_no_heading_stands_twice(page: Path) -> None:
    """The second one would have another anchor."""
    assert len(set(anchors(page))) == len(anchors(page))


@pytest.mark.parametrize("page", [*pages(), EXAMPLE], ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: Path) -> None:
    """A reader who follows a name finds the file; a name ends with a slash, a letter or an ellipsis."""
    named = set(re.findall(rf"(?<![\w./-])((?:{FOLDER})/[\w./-]+)(?!…)", page.read_text()))
    assert sorted(name for name in named if not (ROOT / name.rstrip(".")).exists()) == []


@pytest.mark.parametrize("page", [*pages(), EXAMPLE], ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_are_run_exist(page: Path) -> None:
    for name in re.findall(rf"python -m ((?:{FOLDER})(?:\.\w+)*)(?!\.?[\w…])", page.read_text()):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of a command of ours: its words with the options that a comment behind it names, alternatives apart."""
    for span in spans(page):
        call, _, comment = span.partition(" #")
        found = re.search(r"(?<![\w./-])(scribe(?:-[a-z]+)?)((?: [^)]*)?)$", call.strip().rstrip(")"))
        if found is None or found[1] not in CLIS:
            continue
        words = shlex.split(found[2].replace("…", " "))
        options = re.findall(r"--[a-z][a-z-]*", comment)
        alternatives = next((word for word in words if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", word)), "")
        for one in alternatives.split("|"):
            yield found[1], [one if word == alternatives else word for word in words] + options


@each_page
def test_commands_take_what_pages_give_them(page: Path) -> None:
    """Words and options of every call of ours that stands in code."""
    wrong = [f"{name} {' '.join(words)}" for name, words in commands(page) if not _is_taken(name, words)]
    assert wrong == []


def _is_taken(name: str, words: list[str]) -> bool:
    command = typer.main.get_command(CLIS[name])
    known, left = {"--help", *options_of(command)}, list(words)
    while isinstance(command, TyperGroup) and left and re.fullmatch(r"[a-z][a-z-]*", left[0]):
        if left[0] not in command.commands:
            return False
        command = command.commands[left.pop(0)]
        known |= options_of(command)
    asked = {word.partition("=")[0].rstrip(",;:") for word in left if word.startswith("--")}
    return asked <= known


def options_of(command: Any) -> set[str]:
    """Every spelling of a command's options."""
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_the_readme_starts_every_process() -> None:
    """Each console script and each command of `scribe-streams`, former names aside."""
    started = {" ".join([name, *takewhile(str.isalpha, words)]) for name, words in commands(README)}
    streams = typer.main.get_command(streams_cli)
    assert isinstance(streams, TyperGroup)
    processes = {name for name in CLIS if name not in ("scribe", "scribe-streams")}
    shown = {name for name, command in streams.commands.items() if not command.hidden}
    assert processes | {f"scribe-streams {name}" for name in shown} <= started


@pytest.mark.parametrize("page", [*pages(), EXAMPLE], ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_are_named_exist(page: Path) -> None:
    """Whole, or as the beginning of several with an ellipsis."""
    for name, rest in re.findall(r"\b((?:SCRIBE|ENHANCED_AI)_[A-Z0-9_]*)(…?)", page.read_text()):
        if rest:
            assert any(variable.startswith(name) for variable in VARIABLES), name
        else:
            assert name in VARIABLES | OF_TESTS, name


@each_page
def test_metrics_that_are_named_exist(page: Path) -> None:
    names = {metric_name(metric) for metric in exported_metrics()}
    assert set(re.findall(r"\bscribe_rabbit_\w+", page.read_text())) - set(PUBLISHED_AS) <= names


@cache
def addresses() -> list[str]:
    """The addresses of REST as patterns; services are needed for no document, only for answers."""
    paths = create_app(cast(Services, None)).openapi()["paths"]
    return [re.sub(r"\{\w+\}", "[^/]+", path) for path in paths]


@each_page
def test_operations_that_are_named_exist(page: Path) -> None:
    """Whole, or as the beginning of several."""
    named = {name.rstrip("/") for name in re.findall(r"/api/v1/[\w/{}-]+", page.read_text())}
    unknown = {name for name in named if not any(re.fullmatch(path, name) for path in addresses())}
    assert [name for name in unknown if not any(path.startswith(f"{name}/") for path in addresses())] == []


@each_page
def test_names_in_tables_are_defined_where_they_are_said_to_be(page: Path) -> None:
    """Glossary and harnesses: a class or function, and its file."""
    for name, path in re.findall(r"\| `(\w+)` in `([\w./]+)` \|", page.read_text()):
        assert name in defined(path), f"{name} in {path}"
    for name, path in re.findall(r"^\| `(\w+)` \|[^|]+\| `(tests/[\w./]+\.py)` \|$", page.read_text(), re.MULTILINE):
        assert name in defined(path), f"{name} in {path}"


def test_a_harness_is_called_as_no_other_class_of_the_tests() -> None:
    """Programs of their own (bench, chaos) may call their figures alike; what tests share, and what the page lists, may not."""
    classes: dict[str, list[str]] = {}
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if name.startswith("tests/") and path.suffix == ".py":
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    classes.setdefault(node.name, []).append(name)
    listed = re.findall(r"^\| `(\w+)` \|[^|]+\| `tests/", (ROOT / "tests/README.md").read_text(), re.MULTILINE)
    assert {name: classes[name] for name in listed if len(classes[name]) > 1} == {}
    assert {name: shared for name in classes if len(shared := [f for f in classes[name] if _is_shared(f)]) > 1} == {}


def _is_shared(name: str) -> bool:
    return not Path(name).name.startswith("test_") and not name.startswith(("tests/bench/", "tests/chaos/"))


@each_page
def test_chosen_tests_are_there(page: Path) -> None:
    """Behind a file and `-k`."""
    for path, word in re.findall(r"(tests/[\w/]+\.py) -k (\w+)", page.read_text()):
        assert re.search(rf"def test_\w*{word}", (ROOT / path).read_text()), f"{path} -k {word}"


@cache
def defined(path: str) -> set[str]:
    """Names on the top level of a module."""
    body = ast.parse((ROOT / path).read_text()).body
    values = (node for node in body if isinstance(node, ast.Assign | ast.AnnAssign))
    targets = (t for node in values for t in (node.targets if isinstance(node, ast.Assign) else [node.target]))
    return {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)} | {
        ast.unparse(target) for target in targets
    }


def test_the_glossary_is_in_the_order_of_the_alphabet() -> None:
    """And every word is explained once."""
    text = (ROOT / "schemas/README.md").read_text().partition("\n## Glossary\n")[2]
    words = re.findall(r"^\| ([^|`]+) \| [^|]+ \| `", text, re.MULTILINE)
    assert len(words) > 40
    assert words == sorted(set(words))


@each_page
def test_snippets_import_what_is_there(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = import_module(PUBLISHED_AS.get(str(node.module), str(node.module)))
                assert all(hasattr(module, alias.name) for alias in node.names), node.module
