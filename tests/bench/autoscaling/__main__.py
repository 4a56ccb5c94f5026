"""Simulates the autoscaling of GPU processes: python -m tests.bench.autoscaling --help."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from deploy.environment import ROOT
from tests.bench.autoscaling.scaler import Rules, rules_of
from tests.bench.autoscaling.simulation import Fleet, Outcome, simulate

TRACES = Path(__file__).parent / "traces.json"
OVERLAY = ROOT / "deploy" / "kubernetes" / "components" / "keda" / "scaled-object.yaml"
SPEEDS = (5.0, 20.0, 60.0)


def rules() -> Rules:
    """The rules of the Kubernetes overlay."""
    return rules_of(yaml.safe_load(OVERLAY.read_text()))


def traces() -> dict[str, dict[str, Any]]:
    """The traces by name."""
    return dict(json.loads(TRACES.read_text()))


def mistakes(outcome: Outcome, fleet: Fleet) -> list[str]:
    """Promises of autoscaling that an outcome breaks."""
    broken = {
        "more than two changes of direction in ten minutes": outcome.direction_changes > 2,
        "more than 1 % of jobs killed by scale-in": outcome.killed_share > 0.01,
        "more pods than partitions": outcome.most_pods > fleet.partitions,
        "pods when idle": outcome.last_pods > 0,
        "jobs that never end": outcome.done < outcome.jobs,
    }
    return [text for text, is_broken in broken.items() if is_broken]


def main(
    start_seconds: Annotated[float, typer.Option(help="From a pod that is wanted to one that works.")] = 240,
    drain_seconds: Annotated[float, typer.Option(help="SCRIBE_DRAIN_SECONDS; 8 on spot machines of GKE.")] = 270,
) -> None:
    """Run every trace at three speeds; exit code 1 when a promise is broken."""
    table = Table(
        "trace",
        "speed",
        "jobs",
        "most pods",
        "turns in 10 min",
        "killed",
        "pods at the end",
        "pod hours",
        "longest wait",
        "",
    )
    wrong = False
    for name, trace in traces().items():
        for speed in SPEEDS:
            fleet = Fleet(speed=speed, start_seconds=start_seconds, drain_seconds=drain_seconds)
            found = simulate(trace, rules(), fleet)
            broken = mistakes(found, fleet)
            wrong |= bool(broken)
            row = (found.jobs, found.most_pods, found.direction_changes, f"{found.killed} ({found.killed_share:.1%})")
            more = (found.last_pods, f"{found.pod_hours:.1f}", f"{found.longest_wait / 60:.0f} min", "; ".join(broken))
            table.add_row(name, f"{speed:g}", *map(str, (*row, *more)))
    Console(width=160).print(table)
    raise typer.Exit(int(wrong))


if __name__ == "__main__":
    typer.run(main)
