"""Rules, their tests, the runbook and dashboards agree with each other and with the table of metrics, without promtool."""

import re
from collections import defaultdict
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from deploy.monitoring import dashboards
from deploy.monitoring.expressions import RUNBOOK, TESTS, alerts, queries, rules, selectors
from deploy.readme import ROOT, exported_metrics, metric_name
from schemas.errors import ERRORS, ErrorKind
from tests.structure.test_pages import anchors

PARTS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
NAMES: dict[str, MetricWrapperBase] = {
    f"{metric_name(metric)}{part}": metric for metric in exported_metrics() for part in PARTS[str(metric._type)]
}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
OF_SCRAPES = {"job", "instance", "le"}
EXPRESSIONS = [*(rule["expr"] for rule in rules()), *queries()]
each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))


def cases() -> dict[str, list[bool]]:
    """For each alert whether its test cases fire."""
    found: dict[str, list[bool]] = defaultdict(list)
    for path in TESTS.glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                found[case["alertname"]].append(bool(case["exp_alerts"]))
    return found


def test_no_alert_stands_twice() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)


@each_alert
def test_an_alert_says_whom_it_wakes_and_what_to_do(alert: dict[str, Any]) -> None:
    """Severity, owner, one sentence, and a heading of the runbook that names the alert."""
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["labels"]["owner"] in ("service", "platform", "support")
    assert alert["annotations"]["summary"].endswith(".")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == RUNBOOK
    assert anchor in anchors(RUNBOOK)
    assert alert["alert"] in sections()[anchor]


def sections() -> dict[str, str]:
    """The text below each heading of the runbook."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    return {heading.lower().replace(" ", "-"): text for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def test_the_runbook_names_no_alert_that_is_gone() -> None:
    named = {
        name
        for text in sections().values()
        for first in re.findall(r"^\*([^*]+)\.\*", text.strip())
        for name in re.findall(r"\w+", first)
    }
    assert named == {alert["alert"] for alert in alerts()}


def test_every_alert_is_seen_to_fire_and_to_be_quiet() -> None:
    """`deploy/check alerts` runs the cases."""
    found = cases()
    assert {name for name, fires in found.items() if set(fires) == {True, False}} == {a["alert"] for a in alerts()}
    assert found.keys() == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_whatever_is_asked_for_is_counted(expression: str) -> None:
    """Names, labels and, where they are known, values of labels."""
    for selector in selectors(expression):
        if selector.name in RECORDED:
            continue
        assert selector.name in NAMES, f"{selector.name}: no such metric"
        known = {*NAMES[selector.name]._labelnames, *OF_SCRAPES}
        assert {label for label, _ in selector.labels} <= known, selector


def test_the_error_kind_that_is_our_fault_is_one() -> None:
    """By which the promise of jobs is measured."""
    assert 'kind="internal"' in " ".join(EXPRESSIONS)
    assert ErrorKind("internal") in {error.kind for error in ERRORS.values()}


@pytest.mark.parametrize("metric", exported_metrics(), ids=metric_name)
def test_every_metric_is_shown(metric: MetricWrapperBase) -> None:
    assert any(metric_name(metric) in query for query in queries())


def test_dashboards_are_made_from_the_table_of_metrics() -> None:
    found = {path: path.read_text() for path in dashboards.FOLDER.glob("*.json")}
    assert found == dashboards.rendered(), "run: python -m deploy.monitoring.dashboards"


def test_every_query_goes_to_the_data_source_that_is_chosen() -> None:
    for name, made in dashboards.dashboards().items():
        assert made["templating"]["list"][0]["type"] == "datasource", name
        for panel in made["panels"]:
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert sources == [{"type": "prometheus", "uid": "${datasource}"}] * len(sources)
            assert panel["targets"], panel["title"]


def test_a_burn_rate_is_paged_with_an_absolute_age_beside_it() -> None:
    """Where little happens a ratio says nothing: the oldest job, outbox row and erasure are looked at too."""
    names = {alert["alert"] for alert in alerts() if alert["labels"]["severity"] == "page"}
    assert {"ApiErrorsFast", "JobsFailFast", "JobsLateFast"} <= names
    assert {"OldestJobWaits", "OutboxOld", "ErasureOverdue", "WebhooksAwaitResult"} <= names
