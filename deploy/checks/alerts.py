"""Check of alert rules with promtool: each fires and is quiet as its tests say, and every query of a dashboard parses."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from deploy.checks import tools
from deploy.checks.check import Check
from deploy.monitoring.expressions import RULES, TESTS, queries


def lacking() -> str | None:
    """The reason why it cannot run here."""
    return tools.without("promtool", "reads rules and tries them; it comes with Prometheus")


def run() -> list[str]:
    """The findings of promtool."""
    return [
        *wrong(["promtool", "check", "rules", *RULES.glob("*.yml")]),
        *wrong(["promtool", "test", "rules", *TESTS.glob("*.yml")]),
        *unreadable_queries(queries()),
    ]


def wrong(command: list[str | Path]) -> list[str]:
    """The output of a tool that fails, else nothing."""
    done = tools.run(command)
    return [] if done.returncode == 0 else [f"{done.stdout}{done.stderr}".strip()]


def unreadable_queries(found: Iterator[str]) -> list[str]:
    """The mistakes of queries; promtool parses expressions only as those of rules."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(dict.fromkeys(found))]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
        file.flush()
        return wrong(["promtool", "check", "rules", file.name])


CHECK = Check("alerts", "Alert rules fire and are quiet as their tests say; queries of dashboards parse.", lacking, run)
