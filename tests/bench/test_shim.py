"""What the comparison of the shim with a bare handler concludes, and the load that it is measured by."""

import psutil
import pytest
from starlette.responses import JSONResponse

from tests.bench import accept_rate, http_load
from tests.bench.http_load import Load, Rate
from tests.bench.shim import LEFT_OUT, MISSED, WANTED, verdict
from tests.integration.hostile import served


def pairs(*ratios: float, well: bool = True) -> dict[str, list[tuple[Rate, Rate]]]:
    """Rounds in which every kind of request reached these ratios."""
    return {name: [(Rate(1000, 1, well=True), Rate(1000 * ratio, 1, well)) for ratio in ratios] for name in WANTED}


def test_the_median_decides() -> None:
    assert verdict(pairs(0.1, 0.7, 0.8), []) == ([], 0)
    assert verdict(pairs(0.1, 0.2, 0.8), [])[1] == MISSED


def test_rates_are_judged_by_what_a_bare_handler_makes_on_this_machine() -> None:
    found = pairs(0.8)
    found["GET a job"] = [(Rate(100, 1, well=True), Rate(90, 1, well=True))]
    lines, code = verdict(found, [])
    assert (lines, code) == (["GET a job: 90 a second, 96 wanted beside a bare /livez of 1000"], MISSED)


def test_requests_that_failed_are_no_success() -> None:
    assert verdict(pairs(0.9, well=False), [])[1] == MISSED


def test_what_was_left_out_is_told() -> None:
    lines, code = verdict(pairs(0.9), ["no redis-server"])
    assert (lines, code) == (["the comparison with Celery was left out: no redis-server"], LEFT_OUT)


@pytest.mark.parametrize(("status", "well"), [(200, True), (500, False)])
def test_the_plain_loop_sends_and_counts(monkeypatch: pytest.MonkeyPatch, status: int, well: bool) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "apt-get install wrk" in (http_load.missing() or "")
    with served(JSONResponse({"a": 1}, status)) as port:
        found = http_load.measure(Load(f"http://127.0.0.1:{port}/", "POST", {"x-a": "b"}, "{}"), 0.3, psutil.Process())
    assert found.per_second > 0
    assert found.well is well
    assert found.p99_ms >= found.median_ms


@pytest.mark.parametrize(
    ("shim", "missed"),
    [
        (Rate(1100, 9, well=True, p99_ms=30), 0),
        (Rate(900, 9, well=True, p99_ms=30), 1),
        (Rate(1100, 9, well=True, p99_ms=50), 1),
        (Rate(1100, 9, well=False, p99_ms=30), 1),
    ],
)
def test_jobs_a_second_and_the_slowest_are_judged(shim: Rate, missed: int) -> None:
    assert len(accept_rate.verdict([(Rate(1500, 8, well=True, p99_ms=20), shim)])) == missed
