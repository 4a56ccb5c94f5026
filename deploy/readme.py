"""Write the tables of README.md and deploy/README.md (topics, settings, errors, metrics, wait reasons ...) from the code.

python -m deploy.readme            write them
python -m deploy.readme --check    say whether they are as they should be
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from producers.api.webhooks.payloads import DESCRIBED
from schemas import metrics
from schemas.errors import ERRORS
from schemas.process.wait_reasons import WAIT_REASONS
from schemas.settings import SETTINGS, variable_of
from schemas.tenants.retention import CLASSES, days_text
from schemas.topics import TOPICS
from sink.enhanced_ai.shapes import EnhanceRequest, EnhanceResponse

README = Path(__file__).parent.parent / "README.md"
OPERATIONS = Path(__file__).parent / "README.md"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topics() -> str:
    """Every topic."""
    rows = (
        (
            f"`{t.name}`",
            t.event or "the original bytes",
            t.written_by,
            t.read_by,
            str(t.partitions),
            _kept(t.cleanup, t.retention_days),
        )
        for t in TOPICS.values()
    )
    return table(("topic", "event", "written by", "read by", "partitions", "kept"), rows)


def _kept(cleanup: str, days: int | None) -> str:
    return f"{cleanup}, {days} d" if days else cleanup


def settings() -> str:
    """Every variable of every process."""
    rows = (
        (f"`{variable_of(name)}`", _default(field.get_default(call_default_factory=True)), field.description or "")
        for cls in SETTINGS
        for name, field in cls.model_fields.items()
    )
    return table(("variable", "default", "meaning"), rows)


def _default(value: Any) -> str:
    empty = value is None or value in ((), {}, "")
    return "" if empty else f"`{value.get_secret_value() if hasattr(value, 'get_secret_value') else value}`"


def errors() -> str:
    """Every code that a client can meet."""
    rows = ((f"`{e.code}`", e.kind.value, str(e.status), e.title, e.advice) for e in ERRORS.values())
    return table(("code", "kind", "HTTP", "what was wrong", "what to do"), rows)


def exported_metrics() -> list[MetricWrapperBase]:
    """Every metric that schemas/metrics.py defines."""
    return [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def metric_name(metric: MetricWrapperBase) -> str:
    """The name as Prometheus shows it."""
    suffix = "_total" if metric._type == "counter" else ""
    return f"{metric._name}{suffix}"


def metrics_table() -> str:
    """Every metric with its labels and the processes that count it."""
    rows = (
        (f"`{metric_name(m)}`", str(m._type), ", ".join(m._labelnames), ", ".join(counted_by(m)), str(m._documentation))
        for m in exported_metrics()
    )
    return table(("metric", "type", "labels", "counted by", "meaning"), rows)


def counted_by(metric: MetricWrapperBase) -> tuple[str, ...]:
    """The processes that count a metric."""
    return tuple(process for process, counted in metrics.COUNTED_BY.items() if metric in counted)


def fields(*forms: type[BaseModel]) -> str:
    """Every field of forms and of what they hold, as their JSON schemas have them."""
    rows = (
        (f"`{place}`", _type(schema, required), schema.get("description", ""))
        for form in forms
        for place, schema, required in _fields(form.model_json_schema(), "")
    )
    return table(("field", "type", "meaning"), rows)


def _fields(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    definitions = schema.get("$defs", {})
    for name, field in schema["properties"].items():
        yield f"{place}{name}", field, name in schema.get("required", ())
        if reference := field.get("items", {}).get("$ref"):
            yield from _fields(definitions[reference.rpartition("/")[2]], f"{place}{name}[].")


def _type(schema: dict[str, Any], required: bool) -> str:
    kinds = [_kind(kind) for kind in schema.get("anyOf", [schema])]
    return " or ".join(kinds) + ("" if required else ", may be missing")


def _kind(schema: dict[str, Any]) -> str:
    kind = str(schema.get("type", ""))
    if "enum" in (items := schema.get("items", {})):
        kind = "array of " + ", ".join(f"`{value}`" for value in items["enum"])
    if "maxLength" in schema:
        kind += f" of at most {schema['maxLength']:,} characters"
    if "maxItems" in schema:
        kind += f" of at most {schema['maxItems']:,}"
    return kind


def retention() -> str:
    """Every class of data."""
    rows = (
        (f"`{c.name}`", c.covers, days_text(c.days), c.counts_from, "yes" if c.per_tenant else "no")
        for c in CLASSES.values()
    )
    return table(("class", "what it covers", "days", "counted from", "tenants may choose"), rows)


def webhooks() -> str:
    """Every type of webhooks, with the fields of its example."""
    rows = (
        (f"`{kind}`", described.when, ", ".join(f"`{name}`" for name in described.example["data"]))
        for kind, described in DESCRIBED.items()
    )
    return table(("type", "sent when", "`data` has"), rows)


def webhook_example(kind: str) -> str:
    """The example of a type."""
    return f"```json\n{json.dumps(DESCRIBED[kind].example, indent=1, ensure_ascii=False)}\n```"


def wait_reasons() -> str:
    """Every gate that can hold a job."""
    rows = (
        (f"`{spec.reason}`", ", ".join(spec.holders), spec.sentence, spec.runbook) for spec in WAIT_REASONS.values()
    )
    return table(("reason", "held by", "what the owner of the job is told", "what to look at"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "topics": topics,
    "retention": retention,
    "webhooks": webhooks,
    "webhook-example": partial(webhook_example, "enhancement.completed"),
    "settings": settings,
    "errors": errors,
    "metrics": metrics_table,
    "enhanced-ai-request": partial(fields, EnhanceRequest),
    "enhanced-ai-answer": partial(fields, EnhanceResponse),
}

OPERATIONS_TABLES: dict[str, Callable[[], str]] = {"wait-reasons": wait_reasons}
FILES = ((README, TABLES), (OPERATIONS, OPERATIONS_TABLES))
"""Each file with the tables that it has."""


def rendered(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """A README with every table between its marks made anew; raises ValueError when a mark is missing."""
    for name, make in tables.items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"there is no '<!-- table: {name} -->'")
        body = make() + "\n"
        text = pattern.sub(lambda match, body=body: match[1] + body + match[2], text)  # type: ignore[misc]
    return text


def main() -> int:
    """Write, or with --check compare."""
    differ = 0
    for path, tables in FILES:
        text = path.read_text()
        made = rendered(text, tables)
        if made == text:
            continue
        if "--check" in sys.argv:
            print(f"{path}: tables differ from the code; run: python -m deploy.readme")
            differ = 1
        else:
            path.write_text(made)
    return differ


if __name__ == "__main__":
    sys.exit(main())
