"""README, .env.example and code say the same."""

import re
from pathlib import Path

import pytest

from deploy.readme import FILES, README, exported_metrics, rendered
from schemas import metrics
from schemas.errors import ERRORS
from schemas.settings import SETTINGS, variable_of

ROOT = Path(__file__).parents[2]
VARIABLES = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}

SOURCES = [
    path.read_text()
    for folder in ("sink", "producers", "gpu_consumers", "streams")
    for path in (ROOT / folder).rglob("*.py")
]


def test_the_tables_are_the_code() -> None:
    """Topics, settings, errors, metrics and wait reasons of the READMEs are made from the code."""
    for path, tables in FILES:
        text = path.read_text()
        assert rendered(text, tables) == text, "run: python -m deploy.readme"


def test_the_example_environment_names_only_settings() -> None:
    """No variable that nobody reads, commented or not."""
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named
    assert named <= VARIABLES


def test_paths_in_the_readme_exist() -> None:
    """A reader who follows a name finds the file."""
    named = set(
        re.findall(r"`((?:schemas|sink|producers|gpu_consumers|streams|deploy|tests)/[\w./-]+)`", README.read_text())
    )
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


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
