"""Names in the code: none is a word that says nothing of what it names."""

import ast
from collections.abc import Iterator

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


def test_every_name_says_what_it_names() -> None:
    """`of`, `by` and their like are read only by whoever wrote them."""
    places = {str(path.relative_to(ROOT)): empty_words(path.read_text()) for path in OURS}
    found = [(place, line, name) for place, names in places.items() for line, name in names]
    assert [each for each in found if (each[0], each[2]) not in FIXED] == []


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


def sentences(source: str) -> list[str]:
    """The docstrings of a module, its classes and its functions."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def test_a_first_sentence_opens_with_what_it_is_about() -> None:
    """A noun or a verb, and no question or pronoun that the reader has to resolve."""
    found = [(path.relative_to(ROOT), text) for path in OURS for text in sentences(path.read_text())]
    assert [(str(path), text) for path, text in found if text.split()[0] in OPENINGS] == []


def test_an_exception_that_is_no_longer_needed_goes() -> None:
    assert all(name in {found for _, found in empty_words((ROOT / place).read_text())} for place, name in FIXED)
