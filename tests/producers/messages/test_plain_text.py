"""Text of strangers on a line: nothing that a terminal obeys, nothing that turns it around."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.cli.terminal.json_lines import json_text
from producers.messages.exit_codes import reported
from producers.messages.plain_text import DIRECTION_MARKS, one_line, printable
from schemas.errors import Outage

MARKS = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]


def test_the_marks_are_those_of_the_standard() -> None:
    """The formatting characters that have a direction of their own."""
    kinds = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    found = {chr(code) for code in range(0x3000) if unicodedata.bidirectional(chr(code)) in kinds}
    assert set(MARKS) == DIRECTION_MARKS == found | {"\u061c", "\u200e", "\u200f"}


@pytest.mark.parametrize("mark", MARKS, ids=ascii)
def test_a_direction_mark_reaches_no_terminal(mark: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"call{mark}gpj.exe"
    assert printable(text) == one_line(text) == "callgpj.exe"
    written = json_text({"name": text})
    assert mark not in written
    assert json.loads(written) == {"name": text}
    with pytest.raises(SystemExit), reported():
        raise Outage(text)
    assert capsys.readouterr().err == "callgpj.exe\n"


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S"])))
def test_words_of_every_language_stay_as_they_are(text: str) -> None:
    """What joins letters does too."""
    assert printable(f"{text}\u200d\u200c") == f"{text}\u200d\u200c"
