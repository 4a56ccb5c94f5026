"""What a run found, for people and as JSON."""

from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from schemas.process.failpoints import NAMES
from tests.chaos.breaking import PASSED
from tests.chaos.facts import Facts
from tests.chaos.run import Result

SHOWN = 5


def numbers(result: Result) -> dict[str, Any]:
    """The counts of a run."""
    facts = result.facts
    why = Counter(reason for _, reason in facts.repeats)
    taken = [job for job in facts.jobs if job.number in facts.accepted]
    passed = {name for name, what in result.passes if what == PASSED}
    return {
        "seed": result.plan.seed,
        "jobs": len(facts.accepted),
        "seconds": round(result.seconds, 1),
        "ordered": dict(Counter(job.outcome for job in taken)),
        "doors": dict(Counter(job.door for job in taken)),
        "rest_answers": dict(result.answers),
        "rest_requests_sent_again": sum(len(ids) - 1 for ids in facts.answers.values()),
        "cancels": _cancels(facts),
        "runs_replayed": sum(job.replay is not None for job in taken),
        "claims": len(facts.claims),
        "ended": dict(Counter(row.state for row in facts.rows.values())),
        "visible_results": len(facts.results),
        "job_records": sum(facts.records.values()),
        "dead_letters": dict(Counter(letter.topic.partition(".")[2] for letter in facts.dead)),
        "retries": len(facts.retried),
        "webhook_calls": len(facts.calls),
        "faults": dict(result.faults),
        "ends_of_processes": dict(result.deaths),
        "kills": sum(harm.what in ("killed", "died") for harm in facts.harms),
        "cut_requests": dict(result.cuts),
        "executions": len(facts.executions),
        "executions_repeated": dict(why),
        "taken_over_from_the_other_version": dict(facts.takeovers(result.old_pids)),
        "records_that_kill": len(facts.killing),
        "scrapes_of_all_jobs": len(facts.scrapes),
        "failpoints_passed": len(passed),
        "failpoints_not_passed": sorted(NAMES - passed),
        "deeds_at_failpoints": {name: n for (name, what), n in sorted(result.passes.items()) if what != PASSED},
    }


def _cancels(facts: Facts) -> dict[str, int]:
    """How many were asked for, how many jobs they found at an end, and how the others ended."""
    outcomes = {result.job_id: result.outcome for result in reversed(facts.results) if result.run == 1}
    ends = Counter(f"then {outcomes.get(job_id)}" for job_id, asked in facts.cancels.items() if asked)
    return {"asked": len(facts.cancels), "too late": sum(not asked for asked in facts.cancels.values()), **ends}


def as_json(result: Result) -> dict[str, Any]:
    """Counts, faults and verdicts; of what breaks a promise the first few."""
    verdicts = {v.promise: {"broken": len(v.broken), "first": list(v.broken[:SHOWN])} for v in result.verdicts}
    schedule = [
        {"at": f.at, "kind": f.kind, "target": f.target, "seconds": round(f.seconds, 2), "detail": f.detail}
        for f in result.plan.schedule
    ]
    return {**numbers(result), "promises": verdicts, "schedule": schedule}


def shown(result: Result) -> Group:
    """Counts and verdicts for a terminal."""
    counts = Table(show_header=False, title=f"Chaos, seed {result.plan.seed}", title_justify="left")
    for name, value in numbers(result).items():
        match value:
            case dict():
                text = ", ".join(f"{k} {v:,}" for k, v in value.items())
            case list():
                text = ", ".join(value)
            case _:
                text = f"{value:,}"
        counts.add_row(name.replace("_", " "), text or "none")
    verdicts = Table(show_header=False, title="Promises", title_justify="left")
    for verdict in result.verdicts:
        held = Text("held", "green") if not verdict.broken else Text(f"BROKEN {len(verdict.broken)} ×", "bold red")
        verdicts.add_row(held, Text("\n".join([verdict.promise, *verdict.broken[:SHOWN]])))
    return Group(counts, verdicts)
