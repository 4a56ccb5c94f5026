"""Clocks that are minutes apart are named, whichever is wrong; seconds are nothing."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.process import clock_skew
from sink.process.clock_skew import compare_clocks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(5, "300 s ahead of that of PostgreSQL: set both by NTP"), (-5, "300 s behind that of PostgreSQL"), (0.4, None)],
)
def test_five_minutes_are_named(minutes: float, words: str | None) -> None:
    found = compare_clocks(NOW, "PostgreSQL", NOW + timedelta(minutes=minutes))
    assert found is None if words is None else found is not None and words in found


class FiveMinutesAhead(datetime):
    @classmethod
    def now(cls, tz: object = None) -> "FiveMinutesAhead":
        return cls.fromtimestamp(datetime.now(UTC).timestamp() + 300, UTC)


async def _opened(dsn: str) -> None:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": dsn})):
        pass


def test_a_process_says_so_when_it_connects(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(_opened(database))
    assert not caplog.records
    monkeypatch.setattr(clock_skew, "datetime", FiveMinutesAhead)
    with caplog.at_level(logging.ERROR):
        asyncio.run(_opened(database))
    assert "ahead of that of PostgreSQL" in caplog.text
