"""The brake: on when most jobs fail, for one tenant alone where only that one's do, and let go by a few that end well."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.brake import LONGEST, SHORTEST, TRIED, WINDOW, Brake


def ended(
    brake: Brake, failed: bool | None, now: float = 0.0, tenant: str | None = None, times: int = 1
) -> float | None:
    """So many jobs end the same way, those of two tenants in turns if none is named."""
    pause = None
    for number in range(times):
        brake.begin()
        pause = brake.end(tenant or f"tenant {number % 2}", failed, now) or pause
    return pause


def test_it_goes_on_when_most_jobs_fail_and_not_before_there_are_enough() -> None:
    brake = Brake()
    assert ended(brake, True, times=WINDOW - 1) is None
    assert brake.admits(0.0)
    assert ended(brake, True) == SHORTEST
    assert not brake.admits(SHORTEST - 1)


def test_some_failures_are_the_jobs_own() -> None:
    brake = Brake()
    for _ in range(WINDOW):
        assert ended(brake, True) is None
        assert ended(brake, False) is None
    assert brake.admits(0.0)


def test_where_one_tenants_jobs_fail_only_that_tenant_waits() -> None:
    brake = Brake()
    assert ended(brake, True, tenant="acme", times=WINDOW) == SHORTEST
    assert (brake.admits(1.0), brake.waiting(1.0)) == (True, "acme")
    assert ended(brake, False, 1.0, tenant="globex", times=10 * WINDOW) is None
    assert (brake.admits(SHORTEST), brake.waiting(SHORTEST)) == (True, None)


def test_when_the_others_fail_too_everybody_waits() -> None:
    brake = Brake()
    ended(brake, True, tenant="acme", times=WINDOW)
    pauses = [ended(brake, True, 1.0, tenant=tenant) for tenant in ("globex", "initech") * WINDOW]
    assert any(pauses)
    assert (brake.admits(2.0), brake.waiting(2.0)) == (False, None)


def test_what_says_nothing_counts_for_nothing() -> None:
    brake = Brake()
    assert ended(brake, None, times=10 * WINDOW) is None
    assert brake.admits(0.0)


def test_after_a_pause_a_few_are_tried() -> None:
    brake = Brake()
    ended(brake, True, times=WINDOW)
    for _ in range(TRIED):
        assert brake.admits(SHORTEST)
        brake.begin()
    assert not brake.admits(SHORTEST)
    for _ in range(TRIED):
        brake.end("tenant 0", False, SHORTEST)
    assert brake.admits(SHORTEST)


@given(st.integers(1, 12))
def test_each_pause_is_longer_than_the_one_before(tries: int) -> None:
    brake, now, last = Brake(), 0.0, 0.0
    pause = ended(brake, True, times=WINDOW)
    for _ in range(tries):
        assert pause is not None
        assert last < pause or pause == LONGEST
        last, now = pause, now + pause
        pause = ended(brake, True, now, times=TRIED)


def test_jobs_that_began_before_a_pause_do_not_make_it_longer() -> None:
    brake = Brake()
    ended(brake, True, times=WINDOW)
    assert brake.end("tenant 0", True, 1.0) is None
    assert brake.admits(SHORTEST)
