"""The breaker: on for a tenant whose jobs fail, for everybody when nobody's end well, and let go by the first that does."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.failure_breaker import (
    ENOUGH,
    PROBE_SECONDS,
    PROBES,
    REMEMBERED,
    WINDOW,
    Cooldown,
    FailureBreaker,
)
from schemas.process.wait_reasons import WaitReason
from schemas.retries.schedules import GPU_FAILURES

TENANTS = ("acme", "globex", "initech", "umbrella")
names = st.sampled_from(TENANTS)


def ended(
    breaker: FailureBreaker, failed: bool | None, now: float = 0.0, tenant: str | None = None, times: int = 1
) -> Cooldown | None:
    """So many jobs end the same way, those of all tenants in turns if none is named."""
    pause = None
    for number in range(times):
        name = tenant or TENANTS[number % len(TENANTS)]
        breaker.begin(name, now)
        pause = breaker.end(name, failed, now) or pause
    return pause


def held_for_all() -> FailureBreaker:
    breaker = FailureBreaker()
    assert ended(breaker, True, times=ENOUGH) == Cooldown(GPU_FAILURES.first, None)
    return breaker


def test_a_lone_tenant_waits_when_most_of_its_jobs_fail_and_not_before_there_are_enough() -> None:
    breaker = FailureBreaker()
    assert ended(breaker, True, tenant="acme", times=WINDOW - 1) is None
    assert not breaker.is_open(0.0)
    assert ended(breaker, True, tenant="acme") == Cooldown(GPU_FAILURES.first, "acme")
    assert (breaker.admits(1.0), breaker.waiting(1.0), breaker.is_open(1.0)) == (True, {"acme"}, True)
    assert ended(breaker, False, 1.0, tenant="globex", times=10 * WINDOW) is None
    assert not breaker.is_open(GPU_FAILURES.first)


def test_where_everything_fails_everybody_waits_and_newcomers_too() -> None:
    breaker = held_for_all()
    assert (breaker.admits(GPU_FAILURES.first - 1), breaker.is_open(1.0)) == (False, True)


def test_where_two_tenants_fail_a_third_is_still_tried() -> None:
    breaker = FailureBreaker()
    for name in ("acme", "globex"):
        assert ended(breaker, True, tenant=name, times=WINDOW) == Cooldown(GPU_FAILURES.first, name)
    assert breaker.admits(1.0)
    assert breaker.waiting(1.0) == {"acme", "globex"}


@given(
    st.lists(st.tuples(names, st.integers(1, 3 * WINDOW)), max_size=30),
    st.lists(st.floats(0.1, 400), min_size=30, max_size=30),
)
def test_nobody_waits_for_others_while_own_jobs_end_well(bursts: list[tuple[str, int]], steps: list[float]) -> None:
    breaker, now = FailureBreaker(), 0.0
    for (name, times), step in zip(bursts, steps, strict=False):
        assert ended(breaker, False, now, tenant="good") is None
        for _ in range(times):
            if breaker.admits(now) and name not in breaker.waiting(now):
                ended(breaker, True, now, tenant=name)
        assert breaker.admits(now)
        assert "good" not in breaker.waiting(now)
        now += step


def test_some_failures_are_the_jobs_own() -> None:
    breaker = FailureBreaker()
    for _ in range(WINDOW):
        assert ended(breaker, True, times=2) is None
        assert ended(breaker, False, times=2) is None
    assert not breaker.is_open(0.0)


def test_what_says_nothing_counts_for_nothing() -> None:
    breaker = FailureBreaker()
    assert ended(breaker, None, times=10 * WINDOW) is None
    assert not breaker.is_open(0.0)
    breaker = held_for_all()
    assert ended(breaker, None, GPU_FAILURES.first, times=10 * WINDOW) is None
    assert breaker.admits(GPU_FAILURES.first)


def test_after_a_pause_of_one_tenant_a_few_of_its_jobs_are_tried() -> None:
    breaker = FailureBreaker()
    ended(breaker, True, tenant="acme", times=WINDOW)
    for _ in range(PROBES):
        assert not breaker.is_open(GPU_FAILURES.first)
        breaker.begin("acme", GPU_FAILURES.first)
    assert breaker.waiting(GPU_FAILURES.first) == {"acme"}
    assert breaker.end("acme", False, GPU_FAILURES.first) is None
    assert not breaker.is_open(GPU_FAILURES.first)


def test_after_a_pause_of_all_a_few_are_tried_each_of_another_tenant() -> None:
    breaker = held_for_all()
    for number, name in enumerate(TENANTS):
        assert breaker.admits(GPU_FAILURES.first)
        assert breaker.waiting(GPU_FAILURES.first) == set(TENANTS[:number])
        breaker.begin(name, GPU_FAILURES.first)
    assert not breaker.admits(GPU_FAILURES.first)


def test_the_first_that_ends_well_ends_the_trial_while_others_still_run() -> None:
    breaker = held_for_all()
    for name in TENANTS:
        breaker.begin(name, GPU_FAILURES.first)
    assert breaker.end("acme", False, GPU_FAILURES.first) is None
    assert not breaker.is_open(GPU_FAILURES.first)


def test_long_recordings_probed_tenants_do_not_keep_others_from_being_tried() -> None:
    breaker = held_for_all()
    for name in TENANTS:
        breaker.begin(name, GPU_FAILURES.first)
    assert not breaker.admits(GPU_FAILURES.first + PROBE_SECONDS - 1)
    assert not breaker.is_open(GPU_FAILURES.first + PROBE_SECONDS)


def test_one_tenant_cannot_use_up_what_is_tried() -> None:
    breaker = held_for_all()
    assert ended(breaker, True, GPU_FAILURES.first, tenant="acme") == Cooldown(GPU_FAILURES.first, "acme")
    assert breaker.admits(GPU_FAILURES.first)
    assert breaker.waiting(GPU_FAILURES.first) == breaker.deprioritized == {"acme"}
    assert ended(breaker, False, GPU_FAILURES.first, tenant="globex") is None
    assert not breaker.is_open(GPU_FAILURES.first)


@given(st.integers(1, 12), st.booleans())
def test_each_pause_is_longer_than_the_one_before(tries: int, lone: bool) -> None:
    breaker, now, last, tenant = FailureBreaker(), 0.0, 0.0, TENANTS[0] if lone else None
    pause = ended(breaker, True, tenant=tenant, times=WINDOW if lone else ENOUGH)
    for _ in range(tries):
        assert pause is not None
        assert pause.tenant == tenant
        assert last < pause.seconds or pause.seconds == GPU_FAILURES.cap
        last, now = pause.seconds, now + pause.seconds
        pause = ended(breaker, True, now, tenant=tenant, times=PROBES)


def test_jobs_that_began_before_a_pause_do_not_make_it_longer() -> None:
    breaker = held_for_all()
    assert breaker.end("acme", True, 1.0) is None
    assert not breaker.is_open(GPU_FAILURES.first)


def test_a_tenant_that_did_well_long_ago_says_nothing_about_now() -> None:
    breaker = FailureBreaker()
    ended(breaker, False, tenant="idle")
    assert ended(breaker, True, 3600.0, times=ENOUGH) == Cooldown(GPU_FAILURES.first, None)


@given(st.lists(st.tuples(names, st.sampled_from((True, True, None)), st.floats(0, 700)), max_size=200))
def test_it_always_lets_somebody_be_tried_again(steps: list[tuple[str, bool | None, float]]) -> None:
    breaker, now = FailureBreaker(), 0.0
    for name, failed, step in steps:
        now += step
        if breaker.admits(now) and name not in breaker.waiting(now):
            ended(breaker, failed, now, tenant=name)
    assert not breaker.is_open(now + GPU_FAILURES.cap)


def test_names_without_end_take_no_memory_without_end() -> None:
    breaker = FailureBreaker()
    for number in range(2 * REMEMBERED):
        ended(breaker, False, tenant=f"tenant {number}")
    assert len(breaker._tenants) == REMEMBERED


@given(
    st.lists(st.tuples(names, st.booleans(), st.floats(0.0, 100.0)), max_size=200),
    names,
)
def test_a_tenant_is_refused_exactly_when_it_waits(ends: list[tuple[str, bool, float]], asked: str) -> None:
    breaker, now = FailureBreaker(), 0.0
    for name, failed, step in ends:
        now += step
        ended(breaker, failed, now, tenant=name)
        waits = not breaker.admits(now) or asked in breaker.waiting(now)
        assert breaker.refusal(asked, now) is (WaitReason.FAILURE_BREAKER if waits else None)


def test_everybody_is_refused_while_nobodys_jobs_end_well() -> None:
    assert held_for_all().refusal("a newcomer", 1.0) is WaitReason.FAILURE_BREAKER
