"""The checker by itself: a sound run is not accused, and for every promise there is a run that breaks it and no other."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.chaos.checker import RULES, check
from tests.chaos.facts import Call, Delivery, Facts, Letter, Move, Order, Place, Result, Row, Scrape, expected_event
from tests.chaos.harm import EVERYBODY, Harm
from tests.chaos.plan import Plan, PlannedJob, Shares
from tests.executions import Execution

PLAN = Plan(5, 12, 1, Shares(permanent=0.2, undecodable=0.0, kill=0.0, transient=0.0, webhook=1.0, rerun=0.2))
DLQ = "t.dlq"


def row(job: PlannedJob) -> Row:
    uri = f"s3://b/{job.job_id}/transcripts/{job.runs[-1]}.json" if job.ends == "completed" else None
    return Row(job.ends, job.runs[-1], expected_event(job, job.runs[-1]), uri, int(job.ends == "completed"))


def killer() -> PlannedJob:
    return replace(PLAN.planned[0], number=99, job_id=uuid4(), outcome="kill", runs=(1,), webhook=False)


def sound() -> Facts:
    """What a run leaves behind in which all is well, with a poison record and one that kills."""
    jobs = (*PLAN.planned, killer())
    runs = [(job, run) for job in jobs for run in job.runs]
    rows = {job.job_id: row(job) for job in jobs}
    hooks = [(job, run) for job, run in runs if job.webhook]
    uris = {r.transcript_uri for r in rows.values() if r.transcript_uri}
    return Facts(
        jobs=jobs,
        accepted={job.number for job in jobs},
        records=dict.fromkeys(((job.job_id, run) for job, run in runs), 1),
        results=[Result(job.job_id, run, expected_event(job, run), job.ends, None, 10.0) for job, run in runs],
        rows=rows,
        histories={job.job_id: ["queued", "transcribing", job.ends] * len(job.runs) for job in jobs},
        applied={expected_event(job, run): 10.0 for job, run in runs},
        objects=frozenset(uris),
        dead=[Letter(DLQ, "j/0/7", 1, b"junk", "undecodable"), Letter(DLQ, "j/0/8", 1, b"deadly", "q")],
        retried=[Letter("t.retry.1m", "j/0/3", 2, b"", "")],
        deliveries=[
            Delivery(f"{job.number}/{run}", expected_event(job, run), job.job_id, "delivered", 1, 0)
            for job, run in hooks
        ],
        calls=[Call(11.0, f"{job.number}/{run}", True) for job, run in hooks],
        places=[Place("g", "j", 0, 9, 8, 9, True)],
        unstable=(),
        visible=frozenset({"j/0/1", "j/0/2"}),
        executions=[Execution(jobs[0].job_id, "transcribe", "j/0/1", "gpu-0", 7, 1.0, 2.0, "done")],
        harms=(),
        moves=(),
        undecodable={b"junk": ["j/0/7"]},
        killing={b"deadly": ["j/0/8", "j/0/9"]},
        gpu_dlqs=frozenset({DLQ}),
        scrapes=[
            Scrape(3, {"waiting": 2, "running": 1, "completed": 0}, 2, len(jobs)),
            Scrape(len(jobs), Counter(job.ends for job in jobs), 2, len(jobs)),
        ],
        answers={jobs[0].job_id: [jobs[0].job_id] * 2},
        recordings={"recording-0": 1},
        cancels={jobs[1].job_id: True, jobs[2].job_id: False},
        orders={jobs[1].job_id: Order(1, 9.0)},
    )


def without(facts: Facts, job_id: UUID) -> Facts:
    return replace(facts, results=[result for result in facts.results if result.job_id != job_id])


def again(facts: Facts, ended: float | None, how: str) -> Facts:
    """Its only execution is repeated, by a process that is well."""
    first = replace(facts.executions[0], ended_at=ended, how=how)
    return replace(facts, executions=[first, replace(first, begun_at=50.0)])


JOB = PLAN.planned[0]
ROW = row(JOB)
TWICE = next(job for job in PLAN.planned if job.runs == (1, 2))
BREAKS: dict[str, Callable[[Facts], Facts]] = {
    "every accepted job has a visible result": lambda f: without(f, JOB.job_id),
    "no record has two visible results": lambda f: replace(f, results=[*f.results, f.results[0]]),
    "every end bears the one id of its job and run": lambda f: replace(
        f, results=[replace(f.results[0], event_id=uuid4()), *f.results[1:]]
    ),
    "every job ends as it must": lambda f: replace(
        # in a run that its row does not tell any more
        f,
        results=[replace(r, outcome="cancelled") if (r.job_id, r.run) == (TWICE.job_id, 1) else r for r in f.results],
    ),
    "every job has one row, which tells its end once": lambda f: replace(
        f, rows={**f.rows, JOB.job_id: replace(ROW, segments=2)}
    ),
    "the states of a job are a path of the state machine": lambda f: replace(
        f, histories={**f.histories, JOB.job_id: ["queued", "completed", "transcribing"]}
    ),
    "every end is marked as applied in the transaction that applies it": lambda f: replace(
        f, applied={**f.applied, uuid4(): 1.0}
    ),
    "every transcript that is named is there, and no other": lambda f: replace(f, objects=frozenset()),
    "what cannot be decoded is set aside with its bytes": lambda f: replace(
        f, dead=[replace(f.dead[0], value=None), *f.dead[1:]]
    ),
    "what kills is in quarantine with its bytes": lambda f: replace(f, dead=f.dead[:1]),
    "nobody innocent is set aside": lambda f: replace(f, dead=[*f.dead, Letter(DLQ, "j/0/1", 1, b"good", "q")]),
    "no record is retried or set aside twice": lambda f: replace(f, retried=[*f.retried, *f.retried]),
    "committed offsets cover everything": lambda f: replace(f, places=[replace(f.places[0], committed=8)]),
    "no transaction is left open": lambda f: replace(f, unstable=("j [0]",)),
    "every webhook that was asked for is delivered": lambda f: replace(
        f, calls=[replace(f.calls[0], verified=False), *f.calls[1:]]
    ),
    "no webhook is sent again without a reason": lambda f: replace(f, calls=[*f.calls, f.calls[0]]),
    "no webhook comes before its result can be read": lambda f: replace(
        f, calls=[replace(f.calls[0], at=9.0), *f.calls[1:]]
    ),
    "nothing is worked on that was never committed": lambda f: replace(
        f, executions=[replace(f.executions[0], record="j/0/5")]
    ),
    "finished work is not done again": lambda f: again(f, 2.0, "done"),
    "at every scrape each accepted job is in one state": lambda f: replace(
        f, scrapes=[replace(f.scrapes[0], states={"waiting": 3, "running": 1}), *f.scrapes[1:]]
    ),
    "every job that the REST door accepted has its row and its record": lambda f: replace(
        f, answers={(lost := uuid4()): [lost]}
    ),
    "a request that is sent again makes no second job": lambda f: replace(f, recordings={"recording-0": 2}),
    "every cancel that was accepted reaches the GPU processes": lambda f: replace(f, orders={}),
    "a cancelled job stops within seconds": lambda f: replace(f, orders={PLAN.planned[1].job_id: Order(1, 1.0)}),
    "the row of a job agrees with the first visible result of its last run": lambda f: replace(
        f, rows={**f.rows, JOB.job_id: replace(ROW, run=9)}
    ),
    "whoever asks for a new run gets one, and only one": lambda f: replace(
        f, records={**f.records, (JOB.job_id, 9): 1}
    ),
}


def broken(facts: Facts) -> list[str]:
    return [verdict.promise for verdict in check(facts) if verdict.broken]


def test_a_sound_run_is_not_accused() -> None:
    assert broken(sound()) == []


@pytest.mark.parametrize("promise", RULES)
def test_each_promise_can_be_broken_alone(promise: str) -> None:
    assert broken(BREAKS[promise](sound())) == [promise]


@pytest.mark.parametrize(
    ("worker", "at", "explained"), [("gpu-0", 2.05, True), ("gpu-0", 3.0, False), ("gpu-1", 2.05, False)]
)
def test_what_ended_as_its_partition_went_may_be_done_again(worker: str, at: float, explained: bool) -> None:
    facts = again(sound(), 2.0, "done")
    record = facts.repeats[0][0].record
    facts = replace(facts, moves=[Move(worker, record.rpartition("/")[0], at)])
    assert [why for _, why in facts.repeats] == ["dropped" if explained else "unexplained"]


@pytest.mark.parametrize(
    ("harm", "explained"),
    [
        (Harm("gpu-0", "killed", 2.3, 2.8, 7), True),
        (Harm("gpu-0", "killed", 9.0, 9.5, 7), False),
        (Harm("gpu-1", "killed", 2.3, 2.8, 8), False),
        (Harm(EVERYBODY, "broker restart", 0.5, 1.0), True),
    ],
)
def test_finished_work_is_done_again_only_where_its_commit_was_in_danger(harm: Harm, explained: bool) -> None:
    facts = replace(again(sound(), 2.0, "done"), harms=[harm])
    assert [why for _, why in facts.repeats] == ["uncommitted" if explained else "unexplained"]


def test_work_that_was_cut_off_or_given_back_may_be_done_again() -> None:
    assert [why for _, why in again(sound(), None, "").repeats] == ["cut"]
    assert [why for _, why in again(sound(), 2.0, "dropped").repeats] == ["dropped"]


def cancelled(facts: Facts, job: PlannedJob) -> Facts:
    """The first run of a job has ended as cancelled, and its row says so."""
    ends = [replace(r, outcome="cancelled") if (r.job_id, r.run) == (job.job_id, 1) else r for r in facts.results]
    state = replace(facts.rows[job.job_id], state="cancelled", transcript_uri=None, segments=0)
    history = ["queued", "transcribing", "cancelled"]
    return replace(
        facts,
        results=ends,
        rows={**facts.rows, job.job_id: state},
        histories={**facts.histories, job.job_id: history},
        objects=facts.objects - {facts.rows[job.job_id].transcript_uri or ""},
        scrapes=facts.scrapes[:1],
    )


def test_only_who_was_cancelled_may_end_so() -> None:
    assert broken(cancelled(sound(), PLAN.planned[1])) == []
    assert "every job ends as it must" in broken(cancelled(sound(), PLAN.planned[0]))


def test_a_cancelled_job_may_run_on_where_its_order_could_not_be_heard() -> None:
    late = replace(sound(), orders={PLAN.planned[1].job_id: Order(1, 1.0)})
    assert broken(replace(late, harms=[Harm(EVERYBODY, "broker restart", 2.0, 4.0)])) == []
    assert broken(replace(late, harms=[Harm("webhooks", "killed", 2.0, 4.0)])) != []


def test_a_row_tells_the_first_of_two_results() -> None:
    facts = sound()
    twice = replace(facts, records={**facts.records, (JOB.job_id, 1): 2})
    second = replace(facts.results[0], outcome="failed")
    assert "the row of a job agrees with the first visible result of its last run" not in broken(
        replace(twice, results=[*facts.results, second])
    )


@pytest.mark.parametrize(
    "untrue",
    [
        Scrape(3, {"waiting": 2}, 0, 9),
        Scrape(1, {"waiting": 1}, 2, 9),
        Scrape(3, {"waiting": 3}, 0, 2),
        Scrape(1, {"completed": 1}, 0, 9),
    ],
    ids=["in no state", "fewer than were accepted", "more than were submitted", "another end than that of the rows"],
)
def test_a_scrape_that_loses_or_invents_a_job_is_seen(untrue: Scrape) -> None:
    assert broken(replace(sound(), scrapes=[untrue])) == ["at every scrape each accepted job is in one state"]
