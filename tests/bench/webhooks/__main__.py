"""Webhooks under fire: receivers that fail, dispatchers that are killed, a database that restarts; exit code 1 when a promise breaks.

python -m tests.bench.webhooks --events 10000 --endpoints 20 --kills 200 --restarts 10 --seed 1
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench.webhooks.parts import receivers_port
from tests.bench.webhooks.plan import Plan
from tests.bench.webhooks.report import as_json, shown
from tests.bench.webhooks.run import Faults, run


def main(
    events: Annotated[int, typer.Option(help="Events, each for every endpoint.", min=1)] = 10_000,
    endpoints: Annotated[int, typer.Option(help="Endpoints, of four tenants.", min=1)] = 20,
    failing: Annotated[float, typer.Option(help="Share of calls that fail.", min=0, max=0.9)] = 0.3,
    gone: Annotated[int, typer.Option(help="Endpoints that answer 410 late in the run.", min=0)] = 3,
    kills: Annotated[int, typer.Option(help="SIGKILLs of a dispatcher.", min=0)] = 200,
    restarts: Annotated[int, typer.Option(help="Immediate restarts of PostgreSQL.", min=0)] = 10,
    rotations: Annotated[int, typer.Option(help="Changes of an endpoint's secret.", min=0)] = 20,
    dispatchers: Annotated[int, typer.Option(help="Dispatchers at once.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="What all of it is drawn from.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Where a report in JSON is written.")] = None,
) -> None:
    """Deliver everything in spite of all, and prove it."""
    plan = Plan(seed, events, endpoints, receivers_port(), failing, gone)
    say = Console()
    with tempfile.TemporaryDirectory(prefix="scribe-webhooks-") as folder:
        result = run(plan, Faults(kills, restarts, rotations), Path(folder), say, dispatchers=dispatchers)
    say.print(shown(result))
    if report is not None:
        report.write_text(json.dumps(as_json(result), indent=2) + "\n")
    sys.exit(1 if result.broken else 0)


if __name__ == "__main__":
    typer.run(main)
