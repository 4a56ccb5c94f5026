"""Usage over REST: the days, their sum, and what is asked wrongly."""

from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from tests.integration.rest import check_problem, request_of
from tests.integration.shim import RunningShim
from tests.samples import AT, TRANSCRIPT

USAGE = "/api/v1/usage"
DAY = AT.date().isoformat()


def test_ended_jobs_are_in_the_usage_of_their_day(shim: RunningShim, client: httpx.Client) -> None:
    shim.complete(request_of(client))
    shim.complete(request_of(client))
    shim.fail(request_of(client))
    request_of(client)  # which waits
    found = client.get(USAGE, params={"since": DAY, "until": DAY}).json()
    (day,) = found["days"]
    assert day == {"day": DAY, **found["total"]}
    assert (found["tenant"], found["since"], found["until"]) == ("acme", DAY, DAY)
    assert (day["completed"], day["failed"], day["cancelled"]) == (2, 1, 0)
    assert day["audio_seconds"] == pytest.approx(2 * (TRANSCRIPT.duration or 0))
    with shim.client(shim.key_of("globex")) as neighbour:
        assert neighbour.get(USAGE, params={"since": DAY, "until": DAY}).json()["days"] == []


def test_without_days_it_is_that_of_the_last_thirty(client: httpx.Client) -> None:
    found = client.get(USAGE).json()
    today = datetime.now(UTC).date()
    until, since = date.fromisoformat(found["until"]), date.fromisoformat(found["since"])
    assert timedelta(0) <= today - until <= timedelta(days=1)  # it may have become midnight
    assert until - since == timedelta(days=29)
    assert found["total"]["completed"] == 0


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_of_all_days_are_days(client: httpx.Client, day: str) -> None:
    assert client.get(USAGE, params={"until": day}).json()["days"] == []


@pytest.mark.parametrize(
    "query",
    [
        "since=2026-01-02&until=2026-01-01",
        "since=2020-01-01&until=2026-01-01",
        "since=yesterday",
        "since=2026-13-01",
        "day=2026-01-01",
        "since=9999-12-31",
        "until=0",
        "since=1767225600",
        "since=2026-01-01T00:00:00Z",
        "until=2026-1-1",
    ],
)
def test_what_is_asked_wrongly_is_named(client: httpx.Client, query: str) -> None:
    check_problem(client.get(f"{USAGE}?{query}"), 422, "invalid_request")
