"""Times as options take them: every form that commands and REST print, and no others."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.cli.terminal.json_lines import time_text
from producers.cli.terminal.times import parse_time

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
WRITTEN = {
    "2026-01-31": datetime(2026, 1, 31, tzinfo=UTC),
    "2026-01-31T12:00": NOON,
    "2026-01-31 12:00": NOON,
    "2026-01-31 12:00:00": NOON,
    "2026-01-31 12:00:00 UTC": NOON,
    "2026-01-31 12:00 UTC": NOON,
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31T12:00Z": NOON,
    "2026-01-31T14:00:00+0200": NOON,
    "2026-01-31T14:00:00+02:00": NOON,
    "2026-01-31T12:00:00.250Z": NOON + timedelta(milliseconds=250),
    "2026-01-31T12:00:53.351655Z": NOON + timedelta(seconds=53, microseconds=351655),
    " 2026-01-31T12:00:00 ": NOON,
}
NO_TIMES = [
    *("", "now", "today", "17", "1893456000", "20260131", "2026-W05", "2026-031", "31.01.2026", "01/31/2026"),
    *("2026-02-30", "2026-01-31T24:30", "2026-01-31T12:00:00+25:00", "2026-01-31T12:00 CET", "2026-01-31T", "2026-01"),
    *("0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-01-31 12:00:00 UTC UTC", "٢٠٢٦-٠١-٣١"),
]
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(timezones=OFFSETS).filter(lambda at: 1000 < at.year < 9999)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_time_is_read_in_utc(text: str) -> None:
    read = parse_time(text)
    assert (read, read.tzinfo) == (WRITTEN[text], UTC)


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no time, such as 2026-01-31"):
        parse_time(text)


@given(TIMES)
def test_what_is_printed_is_read_back(at: datetime) -> None:
    assert parse_time(time_text(at)) == at
    assert parse_time(at.isoformat()) == at
    assert parse_time(f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC") == at.replace(microsecond=0)
