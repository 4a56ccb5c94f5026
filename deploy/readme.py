"""Generates the parts of the READMEs that come from code: diagram, folders, topics, settings, errors, metrics, forms.

python -m deploy.readme            write it, each between its marks in whichever page these are
python -m deploy.readme --check    say whether all is as it should be
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from deploy.picture import picture
from producers.api.webhooks.payloads import DESCRIBED
from schemas import metrics
from schemas.errors import ERRORS
from schemas.process.log_line import LogLine
from schemas.process.wait_reasons import WAIT_REASONS
from schemas.retries.backoff import NO_JITTER, Backoff, FixedWaits, Jitter
from schemas.retries.schedules import LADDER, SCHEDULES
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.tenants.retention import CLASSES, days_text
from schemas.topics import TOPICS
from sink.enhanced_ai.shapes import EnhanceRequest, EnhanceResponse
from sink.records.kafka.rights import RIGHTS, USERS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FOLDERS = ("schemas", "sink", "producers", "gpu_consumers", "streams", "deploy", "tests")
WITHOUT_CODE = {
    "deploy/local/artifacts": "What the local stack fetches beside wheels: addresses and digests.",
    "deploy/requirements": "The locked, hashed packages: one file an image role, made by `deploy/lock`.",
    "producers/api/pages": "The files of the page at / and of /docs and /redoc, which need no internet.",
    "producers/examples": "Clients of Kafka in Java, Go and the shell: a job in, its transcript out.",
    "producers/pictures": "The page as it looks, for this documentation; not installed.",
    "schemas/avro": "The Avro schemas: the wire truth, their ids in `manifest.json`.",
    "schemas/avro/released": "Every schema that was ever released, by its id; never changed.",
    "sink/migrations": "The database, forward only: each file is applied once, in order.",
}
"""Folders that hold no module whose first sentence could say what they are for."""


def pages() -> list[Path]:
    """Every page: the Markdown files of the project, README.md first."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {ROOT / name for name in listed if (ROOT / name).is_file()} - {README}
    return [README, *sorted(found)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topics() -> str:
    """The table of all topics."""
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
    """The table of all settings of every process."""
    rows = (
        (f"`{variable_of(name)}`", _default(field.get_default(call_default_factory=True)), field.description or "")
        for cls in SETTINGS
        for name, field in cls.model_fields.items()
    )
    return table(("variable", "default", "meaning"), rows)


def rights() -> str:
    """The table of the rights of each process at the broker, a line for each operation."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for process, granted in RIGHTS.items():
        for right in granted:
            name = f"`{right.name}{'*' if right.prefixed else ''}`"
            places.setdefault((process, right.operation.value, right.resource.value), []).append(name)
    rows = (
        (f"{process}{'' if (user := USERS[process]) == process else f' (`{user}`)'}", may, kind, ", ".join(names))
        for (process, may, kind), names in places.items()
    )
    return table(("process", "may", "on", "named"), rows)


def _default(value: Any) -> str:
    empty = value is None or value in ((), {}, "")
    return "" if empty else f"`{value.get_secret_value() if hasattr(value, 'get_secret_value') else value}`"


def errors() -> str:
    """The table of all error codes that a client can receive."""
    rows = ((f"`{e.code}`", e.kind.value, str(e.status), e.title, e.advice) for e in ERRORS.values())
    return table(("code", "kind", "HTTP", "what was wrong", "what to do"), rows)


def exported_metrics() -> list[MetricWrapperBase]:
    """All metrics that schemas/metrics.py defines."""
    return [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def metric_name(metric: MetricWrapperBase) -> str:
    """The name of a metric as Prometheus shows it."""
    suffix = "_total" if metric._type == "counter" else ""
    return f"{metric._name}{suffix}"


def metrics_table() -> str:
    """The table of all metrics with their labels and the processes that export them."""
    rows = (
        (f"`{metric_name(m)}`", str(m._type), ", ".join(m._labelnames), ", ".join(counted_by(m)), str(m._documentation))
        for m in exported_metrics()
    )
    return table(("metric", "type", "labels", "counted by", "meaning"), rows)


def counted_by(metric: MetricWrapperBase) -> tuple[str, ...]:
    """The processes that export a metric."""
    return tuple(process for process, counted in metrics.COUNTED_BY.items() if metric in counted)


def fields(*forms: type[BaseModel]) -> str:
    """The table of all fields of models and of the models nested in them, from their JSON schemas."""
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


def retries() -> str:
    """The table of all retry schedules."""
    rows = ((s.retried, _waits(s.waits), _jitter(s.waits.jitter), s.limit, s.kept_in) for s in SCHEDULES.values())
    return table(("what is tried again", "waits", "drawn from", "limit", "kept meanwhile"), rows)


def removed_steps() -> str:
    """The paragraph on removed steps of the retry ladder: topics that get no new records but are still read."""
    retired = ", ".join(f"`{step}`" for step in LADDER.retired) or "none at the moment"
    return (
        "A record of a job waits in the topic of its step. A step that is removed is moved to `TopicLadder.retired`"
        f" (`schemas/retries/schedules.py`; {retired}): nothing more is written to its topics, the groups go on reading"
        " them, and its records keep their due times. It is taken from there once those topics have been empty for as"
        " long as they keep records, and the topics are deleted then. Schedules that are kept in tables take a changed"
        " one from the next attempt on."
    )


def _waits(waits: Backoff | FixedWaits) -> str:
    if isinstance(waits, FixedWaits):
        return ", ".join(map(_duration, waits.seconds))
    first, cap = _duration(waits.first), _duration(waits.cap)
    return first if waits.first == waits.cap else f"{first}, then ×{waits.factor:g} up to {cap}"


def _jitter(jitter: Jitter) -> str:
    return "" if jitter == NO_JITTER else f"{jitter[0]:.0%} to {jitter[1]:.0%}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def retention() -> str:
    """The table of all data classes and their retention."""
    rows = (
        (f"`{c.name}`", c.covers, days_text(c.days), c.counts_from, "yes" if c.per_tenant else "no")
        for c in CLASSES.values()
    )
    return table(("class", "what it covers", "days", "counted from", "tenants may choose"), rows)


def webhooks() -> str:
    """The table of all webhook types, with the fields of their examples."""
    rows = (
        (f"`{kind}`", described.when, ", ".join(f"`{name}`" for name in described.example["data"]))
        for kind, described in DESCRIBED.items()
    )
    return table(("type", "sent when", "`data` has"), rows)


def webhook_example(kind: str) -> str:
    """The example of a webhook type."""
    return f"```json\n{json.dumps(DESCRIBED[kind].example, indent=1, ensure_ascii=False)}\n```"


def example(language: str, path: str) -> str:
    """The file of an example, as it is run by its test."""
    return f"```{language}\n{(ROOT / 'producers' / 'examples' / path).read_text()}```"


def folders() -> str:
    """The table of the top-level folders, each with a link to its page and its description."""
    rows = ((f"[{folder}]({folder}/README.md)", _sentence(ROOT / folder / "__init__.py")) for folder in FOLDERS)
    return table(("folder", "what is in it"), rows)


def modules(folder: str, *, deep: bool = True) -> str:
    """The table of the sub-folders of a folder, nested ones too if `deep`, and of its own modules."""
    inside = ROOT / folder
    packages = sorted(path.parent for path in inside.glob("**/__init__.py" if deep else "*/__init__.py"))
    rows = {f"{path.relative_to(inside)}/": _sentence(path / "__init__.py") for path in packages if path != inside}
    rows |= {
        f"{Path(name).relative_to(folder)}/": text
        for name, text in WITHOUT_CODE.items()
        if name.startswith(f"{folder}/")
    }
    here = (path for path in sorted(inside.glob("*.py")) if not path.name.startswith(("__init__", "test_")))
    own = {path.name: _sentence(path) for path in here}
    shown = (*sorted(rows.items()), *own.items())
    return table(("here", "what it is for"), ((f"`{name}`", text) for name, text in shown))


def _sentence(path: Path) -> str:
    """The first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return next(iter(text.splitlines()), "")


def wait_reasons() -> str:
    """The table of all gates that can hold a job."""
    rows = (
        (f"`{spec.reason}`", ", ".join(spec.holders), spec.sentence, spec.runbook) for spec in WAIT_REASONS.values()
    )
    return table(("reason", "held by", "what the owner of the job is told", "what to look at"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "picture": picture,
    "folders": folders,
    **{f"modules-{folder}": partial(modules, folder, deep=folder != "tests") for folder in FOLDERS},
    "topics": topics,
    "retries": retries,
    "wait-reasons": wait_reasons,
    "removed-steps": removed_steps,
    "retention": retention,
    "webhooks": webhooks,
    "webhook-example": partial(webhook_example, "enhancement.completed"),
    "example-java": partial(example, "java", "java/Transcribe.java"),
    "example-go": partial(example, "go", "go/main.go"),
    "example-shell": partial(example, "sh", "shell/transcribe.sh"),
    "settings": settings,
    "rights": rights,
    "errors": errors,
    "metrics": metrics_table,
    "log-line": partial(fields, LogLine),
    "enhanced-ai-request": partial(fields, EnhanceRequest),
    "enhanced-ai-answer": partial(fields, EnhanceResponse),
}
_MARKS = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str) -> str:
    """A page with everything between its marks regenerated; raises ValueError for an unknown mark."""

    def made(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"nothing is made for '{match[1].strip()}': one of {', '.join(TABLES)}")
        return f"{match[1]}{TABLES[match[2]]()}\n{match[3]}"

    return _MARKS.sub(made, text)


def marked(text: str) -> list[str]:
    """The names of the generated parts of a page."""
    return [match[2] for match in _MARKS.finditer(text)]


def main() -> int:
    """Write the pages, or with --check compare them; returns 1 when a page differs."""
    differing = [(page, made) for page in pages() if (made := rendered(text := page.read_text())) != text]
    if "--check" in sys.argv:
        for page, _ in differing:
            print(f"{page.relative_to(ROOT)}: differs from the code; run: python -m deploy.readme")
        return int(bool(differing))
    for page, made in differing:
        page.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
