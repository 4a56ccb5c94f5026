"""The brake: on for a tenant whose jobs fail, for everybody when nobody's end well, and let go by the first that does."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.failure_breaker import (
    ENOUGH,
    LONGEST,
    REMEMBERED,
    SHORTEST,
    TRIAL,
    TRIED,
    WINDOW,
    Cooldown,
    FailureBreaker,
)
from schemas.process.wait_reasons import WaitReason

TENANTS = ("acme", "globex", "initech", "umbrella")
names = st.sampled_from(TENANTS)


def ended(
    brake: FailureBreaker, failed: bool | None, now: float = 0.0, tenant: str | None = None, times: int = 1
) -> Cooldown | None:
    """So many jobs end the same way, those of all tenants in turns if none is named."""
    pause = None
    for number in range(times):
        name = tenant or TENANTS[number % len(TENANTS)]
        brake.begin(name, now)
        pause = brake.end(name, failed, now) or pause
    return pause


def held_for_all() -> FailureBreaker:
    brake = FailureBreaker()
    assert ended(brake, True, times=ENOUGH) == Cooldown(SHORTEST, None)
    return brake


def test_a_lone_tenant_waits_when_most_of_its_jobs_fail_and_not_before_there_are_enough() -> None:
    brake = FailureBreaker()
    assert ended(brake, True, tenant="acme", times=WINDOW - 1) is None
    assert not brake.is_on(0.0)
    assert ended(brake, True, tenant="acme") == Cooldown(SHORTEST, "acme")
    assert (brake.admits(1.0), brake.waiting(1.0), brake.is_on(1.0)) == (True, {"acme"}, True)
    assert ended(brake, False, 1.0, tenant="globex", times=10 * WINDOW) is None
    assert not brake.is_on(SHORTEST)


def test_where_everything_fails_everybody_waits_and_newcomers_too() -> None:
    brake = held_for_all()
    assert (brake.admits(SHORTEST - 1), brake.is_on(1.0)) == (False, True)


def test_where_two_tenants_fail_a_third_is_still_tried() -> None:
    brake = FailureBreaker()
    for name in ("acme", "globex"):
        assert ended(brake, True, tenant=name, times=WINDOW) == Cooldown(SHORTEST, name)
    assert brake.admits(1.0)
    assert brake.waiting(1.0) == {"acme", "globex"}


@given(
    st.lists(st.tuples(names, st.integers(1, 3 * WINDOW)), max_size=30),
    st.lists(st.floats(0.1, 400), min_size=30, max_size=30),
)
def test_nobody_waits_for_others_while_own_jobs_end_well(bursts: list[tuple[str, int]], steps: list[float]) -> None:
    brake, now = FailureBreaker(), 0.0
    for (name, times), step in zip(bursts, steps, strict=False):
        assert ended(brake, False, now, tenant="good") is None
        for _ in range(times):
            if brake.admits(now) and name not in brake.waiting(now):
                ended(brake, True, now, tenant=name)
        assert brake.admits(now)
        assert "good" not in brake.waiting(now)
        now += step


def test_some_failures_are_the_jobs_own() -> None:
    brake = FailureBreaker()
    for _ in range(WINDOW):
        assert ended(brake, True, times=2) is None
        assert ended(brake, False, times=2) is None
    assert not brake.is_on(0.0)


def test_what_says_nothing_counts_for_nothing() -> None:
    brake = FailureBreaker()
    assert ended(brake, None, times=10 * WINDOW) is None
    assert not brake.is_on(0.0)
    brake = held_for_all()
    assert ended(brake, None, SHORTEST, times=10 * WINDOW) is None
    assert brake.admits(SHORTEST)


def test_after_a_pause_of_one_tenant_a_few_of_its_jobs_are_tried() -> None:
    brake = FailureBreaker()
    ended(brake, True, tenant="acme", times=WINDOW)
    for _ in range(TRIED):
        assert not brake.is_on(SHORTEST)
        brake.begin("acme", SHORTEST)
    assert brake.waiting(SHORTEST) == {"acme"}
    assert brake.end("acme", False, SHORTEST) is None
    assert not brake.is_on(SHORTEST)


def test_after_a_pause_of_all_a_few_are_tried_each_of_another_tenant() -> None:
    brake = held_for_all()
    for number, name in enumerate(TENANTS):
        assert brake.admits(SHORTEST)
        assert brake.waiting(SHORTEST) == set(TENANTS[:number])
        brake.begin(name, SHORTEST)
    assert not brake.admits(SHORTEST)


def test_the_first_that_ends_well_ends_the_trial_while_others_still_run() -> None:
    brake = held_for_all()
    for name in TENANTS:
        brake.begin(name, SHORTEST)
    assert brake.end("acme", False, SHORTEST) is None
    assert not brake.is_on(SHORTEST)


def test_long_recordings_on_trial_do_not_keep_others_from_being_tried() -> None:
    brake = held_for_all()
    for name in TENANTS:
        brake.begin(name, SHORTEST)
    assert not brake.admits(SHORTEST + TRIAL - 1)
    assert not brake.is_on(SHORTEST + TRIAL)


def test_one_tenant_cannot_use_up_what_is_tried() -> None:
    brake = held_for_all()
    assert ended(brake, True, SHORTEST, tenant="acme") == Cooldown(SHORTEST, "acme")
    assert brake.admits(SHORTEST)
    assert brake.waiting(SHORTEST) == brake.behind == {"acme"}
    assert ended(brake, False, SHORTEST, tenant="globex") is None
    assert not brake.is_on(SHORTEST)


@given(st.integers(1, 12), st.booleans())
def test_each_pause_is_longer_than_the_one_before(tries: int, lone: bool) -> None:
    brake, now, last, tenant = FailureBreaker(), 0.0, 0.0, TENANTS[0] if lone else None
    pause = ended(brake, True, tenant=tenant, times=WINDOW if lone else ENOUGH)
    for _ in range(tries):
        assert pause is not None
        assert pause.tenant == tenant
        assert last < pause.seconds or pause.seconds == LONGEST
        last, now = pause.seconds, now + pause.seconds
        pause = ended(brake, True, now, tenant=tenant, times=TRIED)


def test_jobs_that_began_before_a_pause_do_not_make_it_longer() -> None:
    brake = held_for_all()
    assert brake.end("acme", True, 1.0) is None
    assert not brake.is_on(SHORTEST)


def test_a_tenant_that_did_well_long_ago_says_nothing_about_now() -> None:
    brake = FailureBreaker()
    ended(brake, False, tenant="idle")
    assert ended(brake, True, 3600.0, times=ENOUGH) == Cooldown(SHORTEST, None)


@given(st.lists(st.tuples(names, st.sampled_from((True, True, None)), st.floats(0, 700)), max_size=200))
def test_it_always_lets_somebody_be_tried_again(steps: list[tuple[str, bool | None, float]]) -> None:
    brake, now = FailureBreaker(), 0.0
    for name, failed, step in steps:
        now += step
        if brake.admits(now) and name not in brake.waiting(now):
            ended(brake, failed, now, tenant=name)
    assert not brake.is_on(now + LONGEST)


def test_names_without_end_take_no_memory_without_end() -> None:
    brake = FailureBreaker()
    for number in range(2 * REMEMBERED):
        ended(brake, False, tenant=f"tenant {number}")
    assert len(brake._tenants) == REMEMBERED


@given(
    st.lists(st.tuples(names, st.booleans(), st.floats(0.0, 100.0)), max_size=200),
    names,
)
def test_a_tenant_is_refused_exactly_when_it_waits(ends: list[tuple[str, bool, float]], asked: str) -> None:
    brake, now = FailureBreaker(), 0.0
    for name, failed, step in ends:
        now += step
        ended(brake, failed, now, tenant=name)
        waits = not brake.admits(now) or asked in brake.waiting(now)
        assert brake.refusal(asked, now) is (WaitReason.FAILURE_BREAKER if waits else None)


def test_everybody_is_refused_while_nobodys_jobs_end_well() -> None:
    assert held_for_all().refusal("a newcomer", 1.0) is WaitReason.FAILURE_BREAKER
