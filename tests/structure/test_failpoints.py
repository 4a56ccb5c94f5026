"""Every place where tests break a process is named once and passed somewhere."""

import ast

from schemas.process.failpoints import NAMES
from tests.structure.test_layout import OURS, calls


def passed() -> list[str]:
    """The names in all calls of `failpoint`."""
    found = (call for path in OURS for name, call in calls(ast.parse(path.read_text())) if name == "failpoint")
    return [ast.literal_eval(call.args[0]) for call in found]


def test_every_failpoint_is_registered_and_used_once() -> None:
    names = passed()
    assert sorted(names) == sorted(NAMES)
