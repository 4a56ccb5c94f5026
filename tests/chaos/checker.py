"""Judges a run from outside, by what is known after it. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.events import JobResult, event_id
from tests.chaos import asked
from tests.chaos.facts import Facts, Rule, expected_event

ORDER = ("queued", "transcribing", "diarizing")
PENDING = ("waiting", "running")
ENDS = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Verdict:
    """A promise, and what breaks it."""

    promise: str
    broken: tuple[str, ...]


def check(facts: Facts) -> list[Verdict]:
    """Every promise with all that breaks it."""
    return [Verdict(promise, tuple(rule(facts))) for promise, rule in RULES.items()]


def _lost(facts: Facts) -> Iterator[str]:
    for job in facts.decodable.values():
        found = {result.run for result in facts.results_of.get(job.job_id, ())}
        yield from (f"run {run} of job {job.number} has no result" for run in job.runs if run not in found)


def _twice(facts: Facts) -> Iterator[str]:
    visible = Counter((result.job_id, result.run) for result in facts.results)
    for (job_id, run), number in visible.items():
        if number > (records := facts.records.get((job_id, run), 0)):
            yield f"job {job_id}, run {run}: {number} visible results of {records} records"


def _wrong_identity(facts: Facts) -> Iterator[str]:
    for result in facts.results:
        if result.event_id != event_id(result.job_id, JobResult.KIND, result.run):
            yield f"job {result.job_id}, run {result.run}: its result is called {result.event_id}"


def _wrong_end(facts: Facts) -> Iterator[str]:
    for result in facts.results:
        job = facts.decodable.get(result.job_id)
        if job is None:
            yield f"{result.job_id} was never asked for"
        elif result.outcome not in facts.ends(job, result.run):
            yield f"job {job.number} ({job.outcome}) ended {result.outcome} {result.code or ''}"


def _wrong_row(facts: Facts) -> Iterator[str]:
    for job in facts.decodable.values():
        row = facts.rows.get(job.job_id)
        if row is None:
            yield f"job {job.number} has no row"
        elif row.state not in facts.ends(job, job.runs[-1]) or row.result_event_id != expected_event(job, job.runs[-1]):
            yield f"the row of job {job.number} ({job.outcome}) is {row.state} by event {row.result_event_id}"
        elif row.segments != (row.state == "completed"):
            yield f"job {job.number} has {row.segments} segments"
    yield from (f"a row of {job_id}, which nobody asked for" for job_id in facts.rows if job_id not in facts.decodable)


def _wrong_path(facts: Facts) -> Iterator[str]:
    for job_id, states in facts.histories.items():
        runs = " ".join(states).split("queued")
        job = facts.decodable.get(job_id)
        beginnings = len(runs) - 1
        if runs[0] or beginnings != (len(job.runs) if job else 1) or not all(map(_is_path, runs[1:])):
            yield f"job {job_id} went {' → '.join(states)}"


def _is_path(states: str) -> bool:
    """Whether a run, once it was queued, went forward to at most one end."""
    names = states.split()
    ends = [name for name in names if name in ENDS]
    steps = [ORDER.index(name) for name in names if name in ORDER]
    return steps == sorted(set(steps)) and ends == names[len(steps) :] and len(ends) <= 1


def _unapplied(facts: Facts) -> Iterator[str]:
    known = {expected_event(job, run) for job in facts.decodable.values() for run in job.runs}
    yield from (f"event {found} is marked as applied, and is none" for found in facts.applied if found not in known)
    for job in facts.decodable.values():
        row = facts.rows.get(job.job_id)
        missing = any(expected_event(job, run) not in facts.applied for run in job.runs)
        if row is not None and row.state in ENDS and missing:
            yield f"the end of job {job.number} is not marked as applied"


def _objects(facts: Facts) -> Iterator[str]:
    named = facts.claims | {row.transcript_uri for row in facts.rows.values() if row.transcript_uri is not None}
    # each run has its own, and that of an earlier one stays
    before = {uri.replace("/2.json", "/1.json") for uri in named}
    yield from (f"{uri} is named and is not there" for uri in named - facts.objects)
    # whoever is cancelled, or is killed between the two, may have kept what no event will name
    cut = {str(job_id) for job_id in facts.orders}
    for uri in facts.objects - named - before:
        if "/claims/" not in uri or not any(job_id in uri for job_id in cut):
            yield f"{uri} is there and is named by nobody"


def _kept(facts: Facts) -> Mapping[str, bytes | None]:
    """What GPU groups set aside, by where it lay."""
    return {letter.origin: letter.value for letter in facts.dead if letter.topic in facts.gpu_dlqs}


def _undecodable(facts: Facts) -> Iterator[str]:
    kept = _kept(facts)
    for value, places in facts.undecodable.items():
        yield from (
            f"{place} holds no event; its bytes are not set aside" for place in places if kept.get(place) != value
        )


def _quarantined(facts: Facts) -> Iterator[str]:
    kept = _kept(facts)
    for value, places in facts.killing.items():
        # a job that was published twice is recognised, and then only its first record is run
        if not any(kept.get(place) == value for place in places):
            yield f"{places[0]} kills, and its bytes are not set aside"


def _innocent(facts: Facts) -> Iterator[str]:
    guilty = {place for them in (facts.undecodable, facts.killing) for places in them.values() for place in places}
    for letter in facts.dead:
        if letter.origin not in guilty:
            yield f"{letter.origin} is in {letter.topic}: {letter.code}"


def _moved_twice(facts: Facts) -> Iterator[str]:
    for name, letters in (("retried", facts.retried), ("set aside", facts.dead)):
        counted = Counter((letter.topic, letter.origin, letter.attempt) for letter in letters)
        for (topic, origin, _), number in counted.items():
            # the Faust apps promise at least once
            if number > 1 and (name == "retried" or topic in facts.gpu_dlqs):
                yield f"{origin} was {name} {number} times in {topic}"


def _uncovered(facts: Facts) -> Iterator[str]:
    for place in facts.places:
        where = f"{place.group} in {place.topic} [{place.partition}]"
        if place.last >= 0 and place.committed <= place.last:
            yield f"{where}: {place.committed} is committed, the last record is {place.last}"
        elif place.exact and place.end > 0 and place.committed != place.end:
            yield f"{where}: {place.committed} is committed, the end is {place.end}"


def _unstable(facts: Facts) -> Iterator[str]:
    yield from facts.unstable


def _webhook_lost(facts: Facts) -> Iterator[str]:
    by_event = {delivery.event_id: delivery for delivery in facts.deliveries}
    verified = {call.webhook_id for call in facts.calls if call.verified}
    for job, run in facts.runs:
        delivery = by_event.get(expected_event(job, run))
        if job.webhook and delivery is None:
            yield f"job {job.number} has no webhook"
        elif delivery is not None and (delivery.state != "delivered" or delivery.webhook_id not in verified):
            yield f"the webhook of job {job.number} is {delivery.state}"
        elif delivery is not None and not job.webhook:
            yield f"job {job.number} asked for no webhook"


def _webhook_twice(facts: Facts) -> Iterator[str]:
    calls = Counter(call.webhook_id for call in facts.calls)
    known = {delivery.webhook_id: delivery for delivery in facts.deliveries}
    yield from (f"a webhook {name} of no event was sent" for name in calls if name not in known)
    for name, delivery in known.items():
        if calls[name] > 1 + delivery.unknown:
            yield f"{name} was sent {calls[name]} times, {delivery.unknown} of its attempts have an unknown end"
    jobs = Counter(delivery.job_id for delivery in facts.deliveries)
    for job_id, number in jobs.items():
        if (job := facts.decodable.get(job_id)) is not None and number > len(job.runs):
            yield f"job {job.number} has {number} webhooks"


def _webhook_early(facts: Facts) -> Iterator[str]:
    first: dict[str, float] = {}
    for call in facts.calls:
        first[call.webhook_id] = min(call.at, first.get(call.webhook_id, call.at))
    for delivery in facts.deliveries:
        at = first.get(delivery.webhook_id)
        if at is not None and at < facts.applied.get(delivery.event_id, float("inf")):
            yield f"{delivery.webhook_id} came before its result could be read"


def _invisible(facts: Facts) -> Iterator[str]:
    for record in sorted({execution.record for execution in facts.executions} - facts.visible):
        yield f"{record} was worked on; no read_committed reader sees it"


def _repeated(facts: Facts) -> Iterator[str]:
    for execution, why in facts.repeats:
        if why == "unexplained":
            yield f"{execution.record} ({execution.stage}) was done by {execution.worker} and done again"


def _unaccounted(facts: Facts) -> Iterator[str]:
    for number, scrape in enumerate(facts.scrapes):
        if sum(scrape.states.values()) != scrape.accepted:
            yield f"scrape {number}: {scrape.accepted} jobs are {dict(scrape.states)}"
        if not scrape.least <= scrape.accepted <= scrape.most:
            yield f"scrape {number}: {scrape.accepted} jobs, {scrape.least} were accepted of {scrape.most} submitted"
    ends = dict(Counter(row.state for row in facts.rows.values()))
    if facts.scrapes and all(facts.scrapes[-1].states.get(state, 0) == 0 for state in PENDING):
        told = {state: jobs for state, jobs in facts.scrapes[-1].states.items() if jobs}
        if told != ends:
            yield f"at the end {told} are told, and the rows are {ends}"


RULES: dict[str, Rule] = {
    "every accepted job has a visible result": _lost,
    "no record has two visible results": _twice,
    "every end bears the one id of its job and run": _wrong_identity,
    "every job ends as it must": _wrong_end,
    "every job has one row, which tells its end once": _wrong_row,
    "the states of a job are a path of the state machine": _wrong_path,
    "every end is marked as applied in the transaction that applies it": _unapplied,
    "every transcript that is named is there, and no other": _objects,
    "what cannot be decoded is set aside with its bytes": _undecodable,
    "what kills is in quarantine with its bytes": _quarantined,
    "nobody innocent is set aside": _innocent,
    "no record is retried or set aside twice": _moved_twice,
    "committed offsets cover everything": _uncovered,
    "no transaction is left open": _unstable,
    "every webhook that was asked for is delivered": _webhook_lost,
    "no webhook is sent again without a reason": _webhook_twice,
    "no webhook comes before its result can be read": _webhook_early,
    "nothing is worked on that was never committed": _invisible,
    "finished work is not done again": _repeated,
    "at every scrape each accepted job is in one state": _unaccounted,
    **asked.RULES,
}
