"""Grafana dashboards: one of the whole service, and one for each process with every metric that it counts.

python -m deploy.monitoring.dashboards            write them into deploy/monitoring/dashboards
python -m deploy.monitoring.dashboards --check    say whether they are as the code makes them
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from deploy.readme import metric_name
from schemas import metrics

FOLDER = Path(__file__).parent / "dashboards"
WIDTH, HEIGHT, COLUMNS = 8, 7, 3
INTERVAL = "$__rate_interval"
SAME_EVERYWHERE = (
    *(metrics.QUEUE_DEPTH, metrics.JOBS, metrics.JOBS_ACCEPTED, metrics.JOBS_OLDEST, metrics.AUDIO_PENDING),
    *(metrics.QUOTAS_FULL, metrics.JOBS_STALLED, metrics.OUTBOX_PENDING, metrics.ERASURES_PENDING),
)
"""Gauges of the database: each process that tells them tells the same, so they are never summed."""
NAMES_OF_LOGS = {"scribe-api": "api", "scribe-relay": "relay", "scribe-gpu": "scribe-gpu"}
"""What a process is called in `process_info` and its logs; those of scribe-streams by their group."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: its queries by legend, the unit of the values as Grafana calls it, and what it means."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    meaning: str = ""


def panel_of(metric: MetricWrapperBase, selector: str) -> Panel:
    """The panel of a metric: the rate of a counter, the value of a gauge, rate and quantiles of a histogram."""
    name, labels = metric_name(metric), tuple(metric._labelnames)
    match str(metric._type):
        case "counter":
            query = f"sum{_grouping(labels)} (rate({name}{selector}[{INTERVAL}]))"
            return _panel(metric, ((_legend(labels), query),), "ops")
        case "histogram":
            quantiles = tuple(
                (
                    f"p{share:.0%} {_legend(labels)}".replace("%", ""),
                    f"histogram_quantile({share}, sum{_grouping((*labels, 'le'))} (rate({name}_bucket{selector}[{INTERVAL}])))",
                )
                for share in (0.5, 0.99)
            )
            return _panel(metric, quantiles, _unit(name))
        case _:
            combine = "max" if metric in SAME_EVERYWHERE or name.endswith(("seconds", "ratio")) else "sum"
            return _panel(metric, ((_legend(labels), f"{combine}{_grouping(labels)} ({name}{selector})"),), _unit(name))


def _panel(metric: MetricWrapperBase, queries: tuple[tuple[str, str], ...], unit: str) -> Panel:
    title = metric_name(metric).removeprefix(metrics.P).replace("_", " ")
    return Panel(title, queries, unit, str(metric._documentation))


def _grouping(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _legend(labels: Iterable[str]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels) or "all"


def _unit(name: str) -> str:
    endings = {
        "timestamp_seconds": "dateTimeAsIso",
        "clock_seconds": "dateTimeAsIso",
        "seconds": "s",
        "bytes": "bytes",
        "ratio": "percentunit",
    }
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "short")


def _of_process(title: str, query: str, unit: str) -> Panel:
    """A panel of Prometheus' own metrics of processes, by the names that ours have."""
    named = f"sum by (process) ({query} * on (job, instance) group_left (process) max by (job, instance, process) (scribe_rabbit_process_info))"
    return Panel(title, (("{{process}}", named),), unit)


OVERVIEW = (
    Panel(
        "promises: part that failed, in an hour",
        (
            ("REST", "scribe:api:errors_1h"),
            ("jobs", "scribe:jobs:errors_1h"),
            ("jobs over an hour", "scribe:duration:errors_1h"),
        ),
        "percentunit",
        "Goals: 0.1 %, 0.5 % and 1 %.",
    ),
    Panel(
        "jobs that ended",
        (
            ("completed", f"sum(rate(scribe_rabbit_jobs_completed_total[{INTERVAL}]))"),
            ("failed {{kind}}", f"sum by (kind) (rate(scribe_rabbit_jobs_failed_total[{INTERVAL}]))"),
        ),
        "ops",
    ),
    Panel(
        "alerts",
        (("{{alertname}}", 'sum by (alertname) (ALERTS{alertstate="firing",owner=~"service|platform|support"})'),),
    ),
    Panel(
        "audio a second",
        (("{{stage}}", f"sum by (stage) (rate(scribe_rabbit_audio_seconds_total[{INTERVAL}]))"),),
        "short",
        "Seconds of audio worked through in a second by all GPU processes.",
    ),
    Panel(
        "dead letters",
        (
            (
                "{{group}}",
                'sum by (group) (increase(scribe_rabbit_records_processed_total{outcome="dead_lettered"}[1h]))',
            ),
        ),
        "short",
        "In the last hour.",
    ),
    _of_process("processes", "up", "short"),
    _of_process("CPU", f"rate(process_cpu_seconds_total[{INTERVAL}])", "short"),
    _of_process("memory", "process_resident_memory_bytes", "bytes"),
    _of_process("open files", "process_open_fds", "short"),
)
_SHOWN_FIRST = (
    *(metrics.JOBS, metrics.JOBS_OLDEST, metrics.AUDIO_PENDING, metrics.JOB_DURATION, metrics.JOBS_WAITING),
    *(metrics.OUTBOX_OLDEST, metrics.WEBHOOKS_OLDEST_DUE, metrics.ERASURES_OLDEST, metrics.QUOTAS_FULL),
    *(metrics.WORKERS, metrics.GATES_CLOSED, metrics.PROCESS_INFO),
)


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by the name of its file."""
    overview = [*OVERVIEW, *(panel_of(metric, "") for metric in _SHOWN_FIRST)]
    found = {"service": _dashboard("Scribe Rabbit", "scribe-service", overview, None)}
    for process, counted in metrics.COUNTED_BY.items():
        selector = '{instance=~"$instance"}'
        panels = [panel_of(metric, selector) for metric in dict.fromkeys(counted)]
        name = process.removeprefix("scribe-")
        logged = NAMES_OF_LOGS.get(process, f"scribe.{process}")
        found[name] = _dashboard(f"Scribe Rabbit: {name}", f"scribe-{name}", panels, logged)
    return found


def _dashboard(title: str, uid: str, panels: Iterable[Panel], process: str | None) -> dict[str, Any]:
    datasource = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    instance = {
        "name": "instance",
        "label": "Instance",
        "type": "query",
        "datasource": _DATASOURCE,
        "query": f'label_values(scribe_rabbit_process_info{{process="{process}"}}, instance)',
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
    }
    return {
        "title": title,
        "uid": uid,
        "tags": ["scribe-rabbit"],
        "schemaVersion": 39,
        "editable": False,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [datasource, *([instance] if process else [])]},
        "links": [{"type": "dashboards", "tags": ["scribe-rabbit"], "title": "Scribe Rabbit", "asDropdown": True}],
        "panels": [_graph(number, panel) for number, panel in enumerate(panels)],
    }


_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _graph(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _DATASOURCE,
        "gridPos": {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend, "datasource": _DATASOURCE}
            for place, (legend, query) in enumerate(panel.queries)
        ],
    }


def rendered() -> dict[Path, str]:
    """The text of each file."""
    return {
        FOLDER / f"{name}.json": json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        for name, made in dashboards().items()
    }


def main() -> int:
    """Write the files, or with --check compare them; returns 1 when one differs, is missing or is too many."""
    made = rendered()
    found = {path: path.read_text() for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv:
        for path in sorted(path for path in {*made, *found} if made.get(path) != found.get(path)):
            print(f"{path.name}: differs from the code; run: python -m deploy.monitoring.dashboards")
        return int(made != found)
    FOLDER.mkdir(exist_ok=True)
    for path in found.keys() - made.keys():
        path.unlink()
    for path, text in made.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
