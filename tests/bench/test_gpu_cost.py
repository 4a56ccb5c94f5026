"""What the comparison of the GPU runtime with Celery concludes; the measuring itself is the command's."""

from tests.bench.gpu_cost import LEFT_OUT, MISSED, Round, verdict
from tests.bench.gpu_rounds import Found, rate


def a_round(*celery: float, median: float = 0.03) -> Round:
    """1,000 jobs a second beside a plain loop that needs 3 ms."""
    return Round(Found(1000, median, 1.0), Found(2000, 0.003, 1.0), dict(enumerate(celery)))


def test_the_best_of_celery_is_what_counts() -> None:
    assert verdict([a_round(500, 999)], [])[1] == 0
    assert verdict([a_round(500, 1001)], [])[1] == MISSED


def test_one_bad_round_of_three_decides_nothing() -> None:
    assert verdict([a_round(900), a_round(2000), a_round(900)], [])[1] == 0


def test_a_result_that_is_seen_too_late_is_a_miss() -> None:
    assert verdict([a_round(900, median=0.04)], [])[1] == MISSED
    assert verdict([a_round(median=0.04)], ["no redis-server"])[1] == MISSED


def test_what_was_left_out_is_told() -> None:
    lines, code = verdict([a_round()], ["no redis-server"])
    assert code == LEFT_OUT
    assert lines[-1].endswith("left out: no redis-server")


def test_the_first_tenth_is_not_counted() -> None:
    warming_up, steady = [0.0, 100.0], [100.0 + 0.5 * n for n in range(1, 19)]
    assert rate([*steady, *warming_up]) == 2.0
