"""Judges a run from outside: what the database says against what the receivers wrote down. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from schemas.retries.schedules import WEBHOOKS
from schemas.webhooks.deliveries import DeliveryState
from tests.bench.webhooks.plan import Kind, Message
from tests.bench.webhooks.receivers import Call

ENDED = {DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.DISABLED}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of the ledger."""

    number: int
    outcome: str | None
    """None: begun, and its end is not known."""
    status: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the deliveries with its ledger, numbered from 1; times in unix seconds."""

    endpoint: int
    state: str
    sequence: int
    counted: int
    """Attempts by its own count."""
    released_at: float
    """When its event was applied; infinite while it is not."""
    ended_at: float | None
    attempts: tuple[Attempt, ...]

    @property
    def unknown(self) -> int:
        """Attempts of which nobody can say whether the receiver took them: killed, or no answer came."""
        return sum(attempt.status is None for attempt in self.attempts)


@dataclass(frozen=True)
class Facts:
    """What is known after a run; deliveries and expected pairs by their webhook id."""

    expected: Mapping[str, Message]
    jobs: Mapping[str, UUID]
    deliveries: Mapping[str, Delivery]
    disabled: frozenset[int]
    """Endpoints that the database calls disabled."""
    calls: Sequence[Call]
    kills: int
    restarts: int
    in_flight: int
    """Calls that may run at once, in all processes together."""

    @cached_property
    def calls_by_id(self) -> Mapping[str, Sequence[Call]]:
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.webhook_id].append(call)
        return found

    @cached_property
    def duplicates(self) -> Mapping[str, int]:
        """How often a receiver took a delivery beyond the first time, where it did."""
        taken = {name: sum(call.kind is Kind.TAKEN for call in calls) for name, calls in self.calls_by_id.items()}
        return {name: number - 1 for name, number in taken.items() if number > 1}

    @cached_property
    def open_intents(self) -> int:
        """Attempts that were begun and have no outcome."""
        return sum(a.outcome is None for delivery in self.deliveries.values() for a in delivery.attempts)


@dataclass(frozen=True)
class Verdict:
    """A promise, and what breaks it."""

    promise: str
    broken: tuple[str, ...]


Rule = Callable[[Facts], Iterator[str]]


def check(facts: Facts) -> list[Verdict]:
    """Every promise with all that breaks it."""
    return [Verdict(promise, tuple(rule(facts))) for promise, rule in RULES.items()]


def _lost(facts: Facts) -> Iterator[str]:
    yield from (f"{name} has no row" for name in facts.expected if name not in facts.deliveries)
    yield from (f"{name} was never asked for" for name in facts.deliveries if name not in facts.expected)


def _unended(facts: Facts) -> Iterator[str]:
    for name, delivery in facts.deliveries.items():
        if delivery.state not in ENDED or delivery.ended_at is None:
            yield f"{name} is {delivery.state}"


def _not_received(facts: Facts) -> Iterator[str]:
    for name, delivery in facts.deliveries.items():
        taken = (call.verified and call.kind is Kind.TAKEN for call in facts.calls_by_id.get(name, ()))
        if delivery.state == DeliveryState.DELIVERED and not any(taken):
            yield f"{name} is called delivered, but its receiver took no call"


def _sent_after(facts: Facts) -> Iterator[str]:
    for name, delivery in facts.deliveries.items():
        if delivery.state != DeliveryState.DELIVERED or delivery.ended_at is None:
            continue
        late = [call for call in facts.calls_by_id.get(name, ()) if call.at > delivery.ended_at]
        if late:
            yield f"{name} was sent {late[0].at - delivery.ended_at:.3f} s after it was recorded as delivered"


def _wrong_id(facts: Facts) -> Iterator[str]:
    for call in facts.calls:
        message = facts.expected.get(call.webhook_id)
        if message is None:
            yield f"{call.webhook_id} is no known id"
        elif call.endpoint != message.endpoint or (call.verified and call.job_id != str(facts.jobs[call.webhook_id])):
            yield f"{call.webhook_id} came to endpoint {call.endpoint} about job {call.job_id}"


def _unsigned(facts: Facts) -> Iterator[str]:
    yield from (f"a call of {call.webhook_id} does not verify" for call in facts.calls if not call.verified)


def _too_many(facts: Facts) -> Iterator[str]:
    number, bound = sum(facts.duplicates.values()), facts.kills * facts.in_flight
    if number > bound:
        yield f"{number} duplicates, at most {bound} were in flight when a process was killed"
    bound = (facts.kills + facts.restarts) * facts.in_flight
    if facts.open_intents > bound:
        yield f"{facts.open_intents} attempts have no outcome, at most {bound} were in flight at a kill or restart"


def _unexplained(facts: Facts) -> Iterator[str]:
    for name, number in facts.duplicates.items():
        delivery = facts.deliveries.get(name)
        if delivery is not None and number > delivery.unknown:
            yield f"{name} was taken {number + 1} times, {delivery.unknown} of its attempts have an unknown end"


def _ledger(facts: Facts) -> Iterator[str]:
    for name, delivery in facts.deliveries.items():
        calls = facts.calls_by_id.get(name, ())
        numbers = [attempt.number for attempt in delivery.attempts]
        answered = Counter(attempt.status for attempt in delivery.attempts if attempt.status is not None)
        if numbers != list(range(1, delivery.counted + 1)):
            yield f"{name} counts {delivery.counted} attempts, the ledger has {numbers}"
        if len(calls) > len(numbers):
            yield f"{name} was called {len(calls)} times in {len(numbers)} attempts"
        if answered - Counter(call.status for call in calls if call.status is not None):
            yield f"{name} has answers in the ledger that its receiver did not give"


def _wrong_end(facts: Facts) -> Iterator[str]:
    for name, delivery in facts.deliveries.items():
        successes = [a.number for a in delivery.attempts if a.outcome == "delivered"]
        if successes != ([delivery.counted] if delivery.state == DeliveryState.DELIVERED else []):
            yield f"{name} is {delivery.state}, its attempts {successes} of {delivery.counted} succeeded"
        if delivery.state == DeliveryState.EXHAUSTED and delivery.counted < WEBHOOKS.attempts:
            yield f"{name} is exhausted after {delivery.counted} attempts"
        if delivery.state == DeliveryState.DISABLED and delivery.endpoint not in facts.disabled:
            yield f"{name} is disabled, its endpoint {delivery.endpoint} is not"


def _wrongly_disabled(facts: Facts) -> Iterator[str]:
    gone = {call.endpoint for call in facts.calls if call.kind is Kind.GONE}
    yield from (f"endpoint {number} is disabled and never answered 410" for number in facts.disabled - gone)
    yield from (f"endpoint {number} answered 410 and is not disabled" for number in gone - facts.disabled)


def _too_early(facts: Facts) -> Iterator[str]:
    for name, calls in facts.calls_by_id.items():
        delivery = facts.deliveries.get(name)
        if delivery is not None and calls[0].at < delivery.released_at:
            yield f"{name} came before its result could be read"


def _misnumbered(facts: Facts) -> Iterator[str]:
    numbers: dict[int, list[int]] = defaultdict(list)
    for delivery in facts.deliveries.values():
        numbers[delivery.endpoint].append(delivery.sequence)
    for endpoint, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"the order numbers of endpoint {endpoint} have gaps or repeat"


RULES: dict[str, Rule] = {
    "nothing is lost": _lost,
    "every pair ends delivered, exhausted or disabled": _unended,
    "what is called delivered was taken, with a valid signature": _not_received,
    "nothing is sent after it was recorded as delivered": _sent_after,
    "every call bears the one id of its event and endpoint": _wrong_id,
    "every signature verifies": _unsigned,
    "duplicates and open attempts are no more than kills can leave": _too_many,
    "every duplicate follows an attempt whose end is unknown": _unexplained,
    "the ledger holds every call, and its answers are those given": _ledger,
    "every end is one that its attempts account for": _wrong_end,
    "410 disables an endpoint, and nothing else does": _wrongly_disabled,
    "nothing comes before its result can be read": _too_early,
    "order numbers of an endpoint have no gaps": _misnumbered,
}
