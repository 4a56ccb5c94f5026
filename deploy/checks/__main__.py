"""`deploy/check`: runs every check, or those that are named, and lists what is wrong and what could not run."""

import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.checks import alerts, long_tests
from deploy.checks.aws import check as aws
from deploy.checks.check import Check
from deploy.checks.cluster.check import CHECK as KWOK
from deploy.checks.containers import compose, images
from deploy.checks.google.check import GCP
from deploy.checks.kubernetes.check import CHECK as KUBERNETES

CHECKS: tuple[Check, ...] = (
    images.CHECK,
    compose.CHECK,
    KUBERNETES,
    KWOK,
    aws.CHECK,
    GCP,
    alerts.CHECK,
    long_tests.CHECK,
)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CHECK]...", help="Only these; else all, one after the other.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Say what there is, and what could not run here.")] = False,
) -> None:
    """Check what is deployed with tools that take minutes or that a machine may lack; exit code 1 when something is wrong.

    A check whose tool is missing here is skipped, and the summary says what was therefore not checked.
    """
    chosen = select(names or [])
    if show:
        out.print(listed(chosen))
        return
    results = [_run(each) for each in chosen]
    out.print(summary(results))
    if any(findings for _, findings, _ in results):
        raise typer.Exit(1)


def select(names: list[str]) -> list[Check]:
    """The checks of these names, all when there is none; raises BadParameter."""
    known = {each.name: each for each in CHECKS}
    if strange := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{', '.join(strange)}; there are {', '.join(known)}", param_hint="CHECK")
    return [known[name] for name in names] or list(CHECKS)


def listed(checks: list[Check]) -> Table:
    """The checks, and why one cannot run here."""
    table = Table("check", "what it holds", "here", box=None)
    for each in checks:
        table.add_row(each.name, each.title, each.lacking() or "runs")
    return table


Result = tuple[Check, list[str] | None, float]


def _run(each: Check) -> Result:
    """A check's findings (None when it was skipped) and its seconds."""
    out.rule(f"[bold]{each.name}[/]  {each.title}", align="left")
    if reason := each.lacking():
        out.print(f"[yellow]skipped[/] {reason}")
        return each, None, 0.0
    began = time.monotonic()
    findings = list(each.run())
    for finding in findings:
        out.print(f"[red]wrong[/] {finding}", markup=True, soft_wrap=True)
    return each, findings, time.monotonic() - began


def summary(results: list[Result]) -> Table:
    """A table with the result of each check."""
    table = Table("", "check", "seconds", "", box=None, title="deploy/check", title_justify="left")
    for each, findings, seconds in results:
        if findings is None:
            table.add_row("-", each.name, "", f"not checked: {each.lacking()}")
        else:
            table.add_row(
                "✗" if findings else "✓", each.name, f"{seconds:.0f}", f"{len(findings)} wrong" if findings else ""
            )
    return table


if __name__ == "__main__":
    app(prog_name="deploy/check")
