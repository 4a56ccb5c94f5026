"""Reading of the few plain forms of Terraform's language that deploy/aws holds tables in."""

import re
from pathlib import Path

AWS = Path(__file__).parents[3] / "deploy" / "aws"


def block(file: str, name: str) -> str:
    """The text between the braces or brackets of `name = {` or `name = [` in a file."""
    text = (AWS / file).read_text()
    opened = re.search(rf"^\s*{re.escape(name)}\s*=\s*(?:concat\()?[\[{{]", text, re.MULTILINE)
    assert opened, f"{file} has no {name}"
    depth, start = 1, opened.end()
    for place in range(start, len(text)):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    raise AssertionError(f"{file}: {name} does not end")


def names(text: str) -> list[str]:
    """The keys of a map, at the beginning of a line each, in order."""
    return re.findall(r"^\s*\"?([A-Za-z_][\w-]*)\"?\s*=", text, re.MULTILINE)


def strings(text: str) -> set[str]:
    """Every quoted string."""
    return set(re.findall(r'"([^"]*)"', text))
