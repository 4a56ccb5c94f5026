"""References of Terraform's expressions: variables, locals, modules, resources, data sources and names bound by `for`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_REFERENCE = re.compile(r"(?<![\w.-])([A-Za-z_][\w-]*)((?:\.[A-Za-z_][\w-]*|\.\d+|\[[^\[\]]*\]|\[\*\])+)")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[([^\[\]]*)\]|\.(\d+)")
_BOUND = re.compile(r"\bfor\s+([A-Za-z_]\w*)(?:\s*,\s*([A-Za-z_]\w*))?\s+in\b")
_CALL = re.compile(r"(?<![\w.])([a-z_][a-z0-9_]*)\(")
_HEREDOC = re.compile(r"<<-?(\w+)\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_WORDS = frozenset({"if", "in", "for", "else"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A name with the attributes that are read from it; indices are left out."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


def references(text: str) -> Iterator[Reference]:
    """Every reference of an expression."""
    code = code_of(text)
    for found in _REFERENCE.finditer(code):
        steps = tuple(name for name, _, _ in _STEP.findall(found.group(2)) if name)
        yield Reference(found.group(1), steps)
    # what stands in brackets is an expression of its own
    for inner in re.findall(r"\[([^\[\]]+)\]", code):
        if not inner.strip().startswith(("for ", "*")):
            yield from references(inner)


def bound_names(text: str) -> frozenset[str]:
    """The names that `for` expressions bind."""
    return frozenset(name for pair in _BOUND.findall(code_of(text)) for name in pair if name)


def calls(text: str) -> frozenset[str]:
    """The functions that are called."""
    return frozenset(_CALL.findall(code_of(text))) - _WORDS


def code_of(text: str) -> str:
    """An expression without the plain text of its strings: of them only the templates are left."""
    text = _HEREDOC.sub(lambda found: " " + " ".join(_templates(found.group(2))) + " ", text)
    parts, at = [], 0
    while (quote := text.find('"', at)) >= 0:
        parts.append(text[at:quote])
        end = _end_of_string(text, quote + 1)
        inner = text[quote + 1 : end - 1]
        # an index by a string, such as keys["registry"], stays an index
        parts.append(" ".join(code_of(each) for each in _templates(inner)) or "_")
        at = end
    return "".join((*parts, text[at:]))


def _end_of_string(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text.startswith(("${", "%{"), at):
            depth += 1
            at += 2
            continue
        if depth and text[at] == '"':
            at = _end_of_string(text, at + 1)
            continue
        if depth and text[at] in "{}":
            depth += 1 if text[at] == "{" else -1
        elif text[at] == '"':
            return at + 1
        at += 1
    return at


def _templates(text: str) -> Iterator[str]:
    """The expressions between ${ and } of a string."""
    at = 0
    while (begin := text.find("${", at)) >= 0:
        depth, at = 1, begin + 2
        while at < len(text) and depth:
            if text[at] == '"':
                at = _end_of_string(text, at + 1)
                continue
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield text[begin + 2 : at - 1]
