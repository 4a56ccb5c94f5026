"""Settings, metrics and error codes that the tables name are used by the code, and none is missing."""

import re

import pytest

from deploy.readme import ROOT, exported_metrics
from schemas import metrics
from schemas.errors import ERRORS
from schemas.settings.base import variable_of
from schemas.settings.loading import SETTINGS

VARIABLES = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}
EXAMPLE = ROOT / ".env.example"
SOURCES = [
    path.read_text()
    for folder in ("schemas", "sink", "producers", "gpu_consumers", "streams")
    for path in (ROOT / folder).rglob("*.py")
    if path != ROOT / "schemas" / "metrics.py"
]


def test_the_example_environment_names_only_settings() -> None:
    """No variable that nobody reads, commented or not."""
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert named
    assert named <= VARIABLES


def test_the_first_editions_metrics_stay() -> None:
    """Dashboards of the service this one replaces go on working."""
    names = {metric._name for metric in exported_metrics()}
    assert {
        "scribe_rabbit_jobs_submitted",
        "scribe_rabbit_jobs_completed",
        "scribe_rabbit_jobs_failed",
        "scribe_rabbit_job_duration_seconds",
        "scribe_rabbit_queue_depth",
    } <= names


@pytest.mark.parametrize("name", sorted({name for cls in SETTINGS for name in cls.model_fields}))
def test_every_setting_is_read(name: str) -> None:
    """A setting that nobody reads promises what does not happen."""
    reading = re.compile(rf"(settings|models|kafka|gpu|outbound|\bload\(\w+\))\.{name}\b")
    users = [*SOURCES, (ROOT / "schemas/process/logs.py").read_text()]
    assert any(reading.search(text) for text in users)


@pytest.mark.parametrize("name", [name for name, value in vars(metrics).items() if value in exported_metrics()])
def test_every_metric_is_used(name: str) -> None:
    """A metric that nobody counts is a lie on a dashboard."""
    assert any(re.search(rf"\b{name}\b", text) for text in SOURCES)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_is_raised(code: str) -> None:
    """A code that nobody can meet has no place in the table."""
    sources = [
        p
        for folder in ("schemas", "sink", "producers", "gpu_consumers", "streams")
        for p in (ROOT / folder).rglob("*.py")
    ]
    assert any(f'"{code}"' in path.read_text() for path in sources if path.name != "errors.py")
