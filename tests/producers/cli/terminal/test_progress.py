"""Progress in words."""

from producers.cli.terminal.progress import amount, done_part


def test_amounts_are_seconds_of_audio() -> None:
    assert amount(12.4, 60.0) == "12 of 60 s"
    assert amount(0.0, None) == ""


def test_a_share_is_shown_once_it_is_known() -> None:
    assert done_part({"fraction": None}) == ""
    assert done_part({"fraction": 0.5}) == "50%"
