"""What `scribe enhance` prints of an answer: data, whatever a model wrote."""

import io
from typing import Any

from rich.console import Console

from producers.cli.jobs.enhance import print_enhancement


def test_what_a_model_wrote_is_shown_as_it_is_and_obeyed_by_nobody() -> None:
    found: dict[str, Any] = {
        "error": None,
        "summary": "first [bold]line\n\x1b]0;title\x07second [/nothing]",
        "entities": [{"kind": "[red]person", "text": "[/]\x1b[2JAnna\n17", "start": 1.5}],
        "model": "[/m]",
        "tokens": 3,
    }
    out = io.StringIO()
    print_enhancement(found, Console(file=out, width=100, force_terminal=False))
    assert out.getvalue().splitlines() == [
        "first [bold]line",
        "]0;titlesecond [/nothing]",
        "1.50 s  [red]person  [/][2JAnna 17",
        "[/m], 3 tokens",
    ]
