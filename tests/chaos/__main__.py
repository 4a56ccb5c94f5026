"""The service under fire: processes, servers and connections break while jobs come in; exit code 1 when a promise breaks.

python -m tests.chaos --minutes 60 --seed 1 --report chaos.json
python -m tests.chaos --minutes 10 --rollouts 8
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests import version_before
from tests.chaos.plan import Kind, Plan, Shares
from tests.chaos.proof import all_proven
from tests.chaos.proof import shown as table
from tests.chaos.report import as_json, shown
from tests.chaos.run import Run
from tests.chaos.stack import ChaosStack

JOBS_A_MINUTE = 170.0
FAULTS_A_MINUTE = {
    Kind.KILL: 2.5,
    Kind.FAILPOINT: 1.5,
    Kind.STOP: 0.5,
    Kind.DRAIN: 0.5,
    Kind.JOIN: 1.0,
    Kind.CUT: 1.5,
    Kind.BROKER: 1 / 6,
    Kind.POSTGRES: 1 / 6,
    Kind.S3_ERRORS: 0.3,
    Kind.S3_SLOW: 0.3,
}
BROKER_FAULTS_A_MINUTE = {Kind.BROKER: 1.0, Kind.BROKER_STOP: 0.5, Kind.BROKER_DRAIN: 0.5}
"""Where others take over."""
REPLAYS_A_MINUTE = 0.5
SHARES = Shares(kill=0.002, rerun=0.005, large=0.01, rest=0.05, cancel=0.02, rest_cancel=0.2, replay=0.03)


def plan_of(minutes: float, seed: int, jobs: int | None = None, brokers: int = 1, rollouts: int = 0) -> Plan:
    """A run of so many minutes, with one of each fault at least."""
    rates = FAULTS_A_MINUTE if brokers == 1 else FAULTS_A_MINUTE | BROKER_FAULTS_A_MINUTE
    faults = {kind: max(1, round(rate * minutes)) for kind, rate in rates.items()}
    jobs = jobs or round(JOBS_A_MINUTE * minutes)
    replays = max(1, round(REPLAYS_A_MINUTE * minutes))
    return Plan(seed, jobs, minutes * 60, SHARES, faults, replays=replays, brokers=brokers, rollouts=rollouts)


def main(
    minutes: Annotated[float, typer.Option(help="For how long jobs come and things break.", min=0.1)] = 1,
    seed: Annotated[int, typer.Option(help="What all of it is drawn from.")] = 1,
    jobs: Annotated[int | None, typer.Option(help="How many; 170 a minute if not given.", min=1)] = None,
    report: Annotated[Path | None, typer.Option(help="Where a report in JSON is written.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for data and logs, which then stay.")] = None,
    brokers: Annotated[int, typer.Option(help="1 broker, or 3 of which one is lost at any moment.", min=1, max=3)] = 1,
    rollouts: Annotated[
        int, typer.Option(help="How often all processes go from the version before to this one, or back.", min=0)
    ] = 0,
    planted: Annotated[bool, typer.Option("--planted", help="Prove the checker by planted mistakes instead.")] = False,
) -> None:
    """Break everything, and prove that nothing was lost or done twice."""
    if planted:
        sys.exit(0 if prove(Console()) else 1)
    plan, say = plan_of(minutes, seed, jobs, brokers, rollouts), Console()
    with tempfile.TemporaryDirectory(prefix="scribe-chaos-") as temporary:
        folder = keep or Path(temporary)
        before = _unpacked(folder / "before") if rollouts else None
        with ChaosStack(folder / "stack", brokers) as stack:
            result = Run(plan, stack, folder, f"chaos-{seed}", say, before=before).done()
    say.print(shown(result))
    if report is not None:
        report.write_text(json.dumps(as_json(result), indent=2) + "\n")
    sys.exit(1 if result.broken else 0)


def _unpacked(folder: Path) -> Path:
    try:
        return version_before.unpack(folder)
    except version_before.NotHere as error:
        raise typer.BadParameter(str(error), param_hint="--rollouts") from error


def prove(say: Console) -> bool:
    """Run every planted mistake; whether the checker saw all of them and accused nothing else."""
    with tempfile.TemporaryDirectory(prefix="scribe-chaos-") as folder, ChaosStack(Path(folder) / "stack") as stack:
        proofs = all_proven(stack, Path(folder), say, lambda p: say.print(f"{p.name}: {p.first or 'NOT SEEN'}"))
    say.print(table(proofs))
    return all(proof.holds for proof in proofs)


if __name__ == "__main__":
    typer.run(main)
