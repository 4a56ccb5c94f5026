"""Names in the code: none is a word that says nothing of what it names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.test_layout import OURS, ROOT

OPENINGS = (
    "How",
    "It",
    "That",
    "They",
    "This",
    "Those",
    "What",
    "Whatever",
    "When",
    "Where",
    "Which",
    "Who",
    "Whose",
    "Why",
)
SAYS_NOTHING = {"of", "by", "but", "over", "told", "going", "there"}
# names that others read: a field of a released event, and columns of tables
FIXED = {
    ("schemas/events.py", "by"),
    ("sink/jobs/replay_log.py", "by"),
    ("sink/records/skips.py", "by"),
}


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to a class, a function, a parameter, a variable or an attribute, by line."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def empty_words(source: str) -> list[tuple[int, str]]:
    """The names that say nothing, private ones too."""
    found = ((line, name.strip("_")) for line, name in names(ast.parse(source)))
    return [(line, name) for line, name in found if name in SAYS_NOTHING]


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_says_what_it_names(path: Path) -> None:
    """`of`, `by` and their like are read only by whoever wrote them."""
    place = str(path.relative_to(ROOT))
    found = empty_words(path.read_text())
    assert [(line, name) for line, name in found if (place, name) not in FIXED] == []


@pytest.mark.parametrize(
    "source",
    [
        "def of(): ...",
        "async def _told(): ...",
        "def f(but): ...",
        "def f(*, over=1): ...",
        "f = lambda there: 1",
        "for going in (): ...",
        "class A:\n    by: str",
        "self._over = 1",
        "with open('x') as told: ...",
        "if (there := 1): ...",
    ],
)
def test_such_a_name_is_found_wherever_it_is_given(source: str) -> None:
    assert empty_words(source)


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_first_sentence_opens_with_what_it_is_about(path: Path) -> None:
    """A noun or a verb, and no question or pronoun that the reader has to resolve."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    sentences = [ast.get_docstring(node) or "" for node in nodes]
    assert [text for text in sentences if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in OPENINGS] == []


def test_an_exception_that_is_no_longer_needed_goes() -> None:
    assert all(name in {found for _, found in empty_words((ROOT / place).read_text())} for place, name in FIXED)
