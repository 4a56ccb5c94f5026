"""Progress in words."""

from datetime import UTC, datetime, timedelta

import pytest

from producers.cli.terminal.progress import amount, done_part, forecast

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_amounts_are_seconds_of_audio() -> None:
    assert amount(12.4, 60.0) == "12 of 60 s"
    assert amount(0.0, None) == ""


def test_a_share_is_shown_once_it_is_known() -> None:
    assert done_part({"fraction": None}) == ""
    assert done_part({"fraction": 0.5}) == "50%"


@pytest.mark.parametrize(
    ("seconds", "position", "said"),
    [
        (0, None, ""),
        (-5, 2, ""),
        (0.2, None, "ends in about 1 s"),
        (59, None, "ends in about 59 s"),
        (125, None, "ends in about 2:05 min"),
        (3_600, 7, "number 7 of yours that wait, ends in about 60:00 min"),
    ],
)
def test_a_forecast_is_told_in_minutes(seconds: float, position: int | None, said: str) -> None:
    ends_at = (NOW + timedelta(seconds=seconds)).isoformat()
    assert forecast({"position": position, "starts_at": None, "ends_at": ends_at}, NOW) == said


def test_where_nobody_knows_nothing_is_said() -> None:
    assert forecast(None, NOW) == ""
