"""Promises to those who ask: by the REST door, for a cancel, for a replay. Pure."""

from collections.abc import Iterator

from tests.chaos.facts import Facts, Rule, expected_event

STOP_SECONDS = 3.0
"""Within it a running job hears of its cancel and stops; two are promised, a busy machine takes its own."""


def _door_lost(facts: Facts) -> Iterator[str]:
    for job_id in facts.answers:
        if job_id not in facts.rows:
            yield f"job {job_id} was answered with 202 and has no row"
        elif (job_id, 1) not in facts.records:
            yield f"job {job_id} was answered with 202 and has no record"


def _door_twice(facts: Facts) -> Iterator[str]:
    for job_id, answered in facts.answers.items():
        if others := sorted(str(other) for other in answered if other != job_id):
            yield f"job {job_id} was answered with {', '.join(others)}"
    for name, number in facts.recordings.items():
        if number > 1:
            yield f"{name} has {number} jobs"


def _cancel_lost(facts: Facts) -> Iterator[str]:
    for job_id, asked in facts.cancels.items():
        if asked and job_id not in facts.orders:
            yield f"job {job_id} is asked to stop, and no GPU process will hear of it"


def _not_stopped(facts: Facts) -> Iterator[str]:
    for result in facts.results:
        order = facts.orders.get(result.job_id)
        if order is None or result.run > order.run or result.outcome == "cancelled":
            continue
        if result.at - order.at > STOP_SECONDS and facts.calm(order.at, result.at):
            yield f"job {result.job_id} ended {result.outcome} {result.at - order.at:.1f} s after its cancel"


def _row_differs(facts: Facts) -> Iterator[str]:
    for job in facts.decodable.values():
        row, event = facts.rows.get(job.job_id), expected_event(job, job.runs[-1])
        # a job that was published twice may end twice; who reads in order takes the first
        end = next((result for result in facts.results_of.get(job.job_id, ()) if result.event_id == event), None)
        if row is None or end is None:
            continue
        if (row.state, row.run, row.result_event_id) != (end.outcome, end.run, end.event_id):
            state = f"{row.state} in run {row.run} by event {row.result_event_id}"
            yield f"the row of job {job.number} is {state}, its result {end.outcome} in run {end.run}"


def _other_runs(facts: Facts) -> Iterator[str]:
    begun = facts.records.keys()
    for job, run in facts.runs:
        if run > 1 and (job.job_id, run) not in begun:
            yield f"run {run} of job {job.number} was asked for and never begun"
    for job_id, run in begun:
        planned = facts.decodable.get(job_id)
        if planned is not None and run not in planned.runs:
            yield f"run {run} of job {planned.number} was begun, and nobody asked for it"


RULES: dict[str, Rule] = {
    "every job that the REST door accepted has its row and its record": _door_lost,
    "a request that is sent again makes no second job": _door_twice,
    "every cancel that was accepted reaches the GPU processes": _cancel_lost,
    "a cancelled job stops within seconds": _not_stopped,
    "the row of a job agrees with the first visible result of its last run": _row_differs,
    "whoever asks for a new run gets one, and only one": _other_runs,
}
