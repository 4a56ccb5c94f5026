"""What a run found, for people and as JSON."""

from collections import Counter
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.bench.webhooks.plan import Kind
from tests.bench.webhooks.run import Result

SHOWN = 5


def numbers(result: Result) -> dict[str, Any]:
    """The counts of a run."""
    facts = result.facts
    kinds = Counter(call.kind for call in facts.calls)
    return {
        "seed": result.plan.seed,
        "events": result.plan.events,
        "endpoints": result.plan.endpoints,
        "deliveries": len(facts.expected),
        "seconds": round(result.seconds, 1),
        "calls": len(facts.calls),
        "calls_per_second": round(len(facts.calls) / result.seconds, 1),
        "answers": {str(kind): kinds[kind] for kind in Kind},
        "failed_share": round(1 - kinds[Kind.TAKEN] / max(1, len(facts.calls)), 3),
        "kills": facts.kills,
        "ended_alone": result.ended_alone,
        "restarts": facts.restarts,
        "rotations": result.rotations,
        "ends": dict(Counter(delivery.state for delivery in facts.deliveries.values())),
        "disabled_endpoints": len(facts.disabled),
        "attempts": sum(len(delivery.attempts) for delivery in facts.deliveries.values()),
        "attempts_without_outcome": facts.open_intents,
        "duplicates": sum(facts.duplicates.values()),
        "duplicates_allowed": facts.kills * facts.in_flight,
    }


def as_json(result: Result) -> dict[str, Any]:
    """Counts and verdicts; of what breaks a promise the first few."""
    verdicts = {v.promise: {"broken": len(v.broken), "first": v.broken[:SHOWN]} for v in result.verdicts}
    return {**numbers(result), "promises": verdicts}


def shown(result: Result) -> Group:
    """Counts and verdicts for a terminal."""
    counts = Table(show_header=False, title=f"Webhooks, seed {result.plan.seed}", title_justify="left")
    for name, value in numbers(result).items():
        text = ", ".join(f"{k} {v:,}" for k, v in value.items()) if isinstance(value, dict) else f"{value:,}"
        counts.add_row(name.replace("_", " "), text)
    verdicts = Table(show_header=False, title="Promises", title_justify="left")
    for verdict in result.verdicts:
        held = Text("held", "green") if not verdict.broken else Text(f"BROKEN {len(verdict.broken)} ×", "bold red")
        verdicts.add_row(held, Text("\n".join([verdict.promise, *verdict.broken[:SHOWN]])))
    return Group(counts, verdicts)
