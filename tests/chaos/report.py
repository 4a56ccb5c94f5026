"""What a run found, for people and as JSON."""

from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.chaos.run import Result

SHOWN = 5


def numbers(result: Result) -> dict[str, Any]:
    """The counts of a run."""
    facts = result.facts
    why = Counter(reason for _, reason in facts.repeats)
    return {
        "seed": result.plan.seed,
        "jobs": facts.accepted,
        "seconds": round(result.seconds, 1),
        "ordered": dict(Counter(job.outcome for job in facts.jobs[: facts.accepted])),
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
        "records_that_kill": len(facts.killing),
    }


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
        text = ", ".join(f"{k} {v:,}" for k, v in value.items()) if isinstance(value, dict) else f"{value:,}"
        counts.add_row(name.replace("_", " "), text or "none")
    verdicts = Table(show_header=False, title="Promises", title_justify="left")
    for verdict in result.verdicts:
        held = Text("held", "green") if not verdict.broken else Text(f"BROKEN {len(verdict.broken)} ×", "bold red")
        verdicts.add_row(held, Text("\n".join([verdict.promise, *verdict.broken[:SHOWN]])))
    return Group(counts, verdicts)
