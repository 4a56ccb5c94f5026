"""Settings, metrics and error codes that the tables name are used by the code, and none is missing."""

import re
from functools import cache

import pytest

from deploy.readme import ROOT, exported_metrics
from schemas import metrics
from schemas.errors import ERRORS
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS

VARIABLES = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}
EXAMPLE = ROOT / ".env.example"
METRICS = "schemas/metrics.py"
READING = r"(?:settings|models|kafka|gpu|outbound|\bload\(\w+\))\.(?=(\w+))"


@cache
def sources() -> dict[str, str]:
    """The code of the product by path."""
    folders = ("schemas", "sink", "producers", "gpu_consumers", "streams")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in found}


@cache
def matches(pattern: str, *, beside: str = "") -> set[str]:
    """All that a pattern finds in the code of the product `beside` one module."""
    return {each for path, text in sources().items() if path != beside for each in re.findall(pattern, text)}


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
    assert name in matches(READING, beside=METRICS)


@pytest.mark.parametrize("name", [name for name, value in vars(metrics).items() if value in exported_metrics()])
def test_every_metric_is_used(name: str) -> None:
    """A metric that nobody counts is a lie on a dashboard."""
    assert name in matches(r"\w+", beside=METRICS)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_is_raised(code: str) -> None:
    """A code that nobody can meet has no place in the table."""
    assert any(f'"{code}"' in text for path, text in sources().items() if not path.endswith("/errors.py"))
