"""Each metric is counted where its table says so, under labels of our own, which nobody outside can invent."""

import ast
import re
from functools import cache
from pathlib import Path

import grimp
import pytest

from deploy.readme import counted_by, exported_metrics, metric_name
from schemas import metrics

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "sink", "producers", "gpu_consumers", "streams")
# spans are made by a module that is imported only where there is a collector
OBSERVED, TRACED = "sink.process.observation", "sink.process.otlp"
# what a process runs; those of scribe-streams share their main module
ROOTS = {
    "scribe-api": ("producers.api.__main__", TRACED),
    "scribe-relay": ("producers.relay", TRACED),
    "scribe-gpu": ("gpu_consumers.__main__", TRACED, "gpu_consumers.engines.windowed.transcriber"),
    "persist": ("streams.agents.persist", "streams.runtime.worker", OBSERVED, TRACED),
    "enhance": ("streams.agents.enhance", "streams.runtime.worker", OBSERVED, TRACED),
    "webhooks": ("streams.agents.webhooks", "streams.runtime.worker", OBSERVED, TRACED),
    "dispatch": (
        "streams.webhooks.dispatcher",
        "streams.enhancements.caller",
        "sink.enhanced_ai.service",
        "sink.process.health_server",
        OBSERVED,
        TRACED,
    ),
    "retention": (
        "streams.retention.process",
        "streams.retention.orphans",
        "streams.retention.sweep",
        "streams.retention.stall_watch",
        OBSERVED,
        TRACED,
    ),
}
NAMES = {name: value for name, value in vars(metrics).items() if value in exported_metrics()}


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES)


@cache
def reached(process: str) -> frozenset[str]:
    """Every module of ours that a process imports at some time."""
    roots = ROOTS[process]
    return frozenset(roots).union(*(imports().find_upstream_modules(root) for root in roots))


@cache
def counted() -> dict[str, frozenset[str]]:
    """The metrics that each module counts."""
    found = {}
    for path in (path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        imported = re.findall(r"from schemas\.metrics import (\([^)]*|[^\n]*)", text)
        names = frozenset(re.findall(r"\bmetrics\.(\w+)", text)).union(*(re.findall(r"\w+", each) for each in imported))
        found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = names
    return found


@cache
def counting(name: str) -> frozenset[str]:
    """The modules that count a metric."""
    return frozenset(module for module, names in counted().items() if name in names)


def test_every_process_is_known() -> None:
    assert metrics.COUNTED_BY.keys() == ROOTS.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_counted_by_the_processes_that_the_table_names(name: str) -> None:
    """All that are named reach code that counts it, and all such code is reached by one that is named."""
    processes = counted_by(NAMES[name])
    assert processes, (
        f"{metric_name(NAMES[name])}: name the processes that count it in COUNTED_BY of schemas/metrics.py"
    )
    assert counting(name), name
    for process in processes:
        assert counting(name) & reached(process), f"{process} never counts {name}"
    for module in counting(name):
        assert any(module in reached(process) for process in processes), f"{module} counts {name}: in which process?"


@pytest.mark.parametrize("process", ROOTS)
def test_what_a_process_alone_can_count_it_is_said_to_count(process: str) -> None:
    """Code that only one process reaches counts for that one."""
    for name, metric in NAMES.items():
        alone = [m for m in counting(name) if [p for p in ROOTS if m in reached(p)] == [process]]
        assert not alone or process in counted_by(metric), (process, name, alone)


# Whatever becomes a label, and why its values are few. One that comes from a record, a request or a row that copies one
# must be brought down to names of our own before.
BOUNDED = {
    **dict.fromkeys(("app", "self._app.conf.id", "self._group"), "the process's own group"),
    **dict.fromkeys(("self._name", "name", "task.name", "LABEL", "part"), "a constant of the code that makes it"),
    "DeliveryState.DISABLED": "an enum",
    **dict.fromkeys(("recorded.state", "recorded.disabled.kind", "state"), "an enum, in the database too"),
    **dict.fromkeys(("effect", "outcome", "finished.outcome", "reason", "group"), "a name that our code chose"),
    **dict.fromkeys(("GROUP", "ROLE", "kind", "role"), "a constant of the code that passes it on"),
    **dict.fromkeys(("device", "quota", "process", "version_of_service()"), "one of a few of ours"),
    "error.code": "a key of ERRORS",
    "level": "one of LEVELS",
    "stage": "an enum",
    "outcome.outcome if recorded.state else 'lease_lost'": "an enum",
    "label_of(event.error)": "an enum",
    "self._tp.topic": "a topic that the process subscribes to",
    **dict.fromkeys(("row.record.topic", "rows[0].record.topic"), "a topic that our own code writes to"),
    **dict.fromkeys(("method", "route", "status", "status or 'none'"), "limited to our own before"),
}


def test_no_label_takes_its_value_from_outside() -> None:
    found = set()
    for folder in PACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "labels":
                    values = [*node.args, *(keyword.value for keyword in node.keywords)]
                    found |= {ast.unparse(value) for value in values if not isinstance(value, ast.Constant)}
    assert found == BOUNDED.keys()
