"""Everything in PromQL that is deployed: expressions of rules and dashboards, with the names and labels in them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES, TESTS, DASHBOARDS, RUNBOOK = HERE / "rules", HERE / "tests", HERE / "dashboards", HERE / "RUNBOOK.md"
_NAME = re.compile(r"(?<![\w:$])((?:scribe_rabbit_\w+|scribe:[\w:]+))(\{[^}]*\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric in an expression, and the labels by which it is selected, with their values."""

    name: str
    labels: tuple[tuple[str, str], ...]


def rules() -> list[dict[str, Any]]:
    """All rules of all files: those that record, and alerts."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for rule in rules() if "alert" in rule]


def queries() -> Iterator[str]:
    """All expressions of dashboards, with an interval in place of Grafana's."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield target["expr"].replace("$__rate_interval", "5m")


def selectors(expression: str) -> Iterator[Selector]:
    """The metrics of ours in an expression, those that rules record among them."""
    for name, braces in _NAME.findall(expression):
        yield Selector(name, tuple(_LABEL.findall(braces)))
