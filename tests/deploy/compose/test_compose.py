"""compose.yaml and the code say the same: processes, settings, hardening; what it takes to run it is in deploy/check."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.compose.settings import FILE, PROCESSES, written
from deploy.process_settings import variables
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.loading import load
from tests.deploy.local.services import service_commands

FOLDER = FILE.parent
EXAMPLE = FOLDER / ".env.example"
SYSTEM: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = SYSTEM["services"]
OURS = (*PROCESSES, "init", "scribe")
VARIABLES = {variable_of(field) for cls in SETTINGS for field in cls.model_fields}
OF_LIBRARIES = {"HF_TOKEN"}
UNPINNED = {"s3"}  # S3Proxy's digests are published nowhere but in its registry; README.md says how to pin it
each_process = pytest.mark.parametrize("service", PROCESSES)


def substituted(text: str, given: dict[str, str]) -> str:
    """What Compose makes of ${NAME}, ${NAME:-default} and ${NAME:?message}."""
    return re.sub(
        r"\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda m: given.get(m[1]) or (m[3] if m[2] == "-" else ""),
        text,
    )


def example() -> dict[str, str]:
    """The variables that the example sets, secrets made up; those behind a # too."""
    lines = re.findall(r"^#? ?([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    return {name: value or "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYzE=" for name, value in lines}


def texts() -> Iterator[str]:
    """All files that Compose reads."""
    yield from (path.read_text() for path in FOLDER.glob("*.yaml"))


def test_the_settings_are_those_of_the_code() -> None:
    """`python -m deploy.compose.settings` writes them."""
    assert written(FILE.read_text()) == FILE.read_text()


@each_process
def test_a_process_gets_the_settings_that_it_reads_and_no_others(service: str) -> None:
    assert set(SERVICES[service]["environment"]) - OF_LIBRARIES == variables(service)


def test_every_process_is_a_service_and_is_started_by_its_command() -> None:
    commands = {name: SERVICES[name]["command"] for name in PROCESSES}
    assert {
        name: [word for word in words if "$" not in word and word != "--stages"] for name, words in commands.items()
    } == (service_commands())


@each_process
def test_the_example_is_taken_by_every_process(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied as it is, with everything that stands behind a # switched on."""
    for name, value in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, substituted(str(value), example()))
    settings = load(PROCESSES[service])
    assert getattr(settings, "kafka_bootstrap", "kafka:9092") == "kafka:9092"


def test_the_example_names_what_must_be_set_and_nothing_unknown() -> None:
    mandatory = {name for text in texts() for name in re.findall(r"\$\{(\w+):\?", text)}
    used = {name for text in texts() for name in re.findall(r"\$\{(\w+)", text)}
    assert mandatory <= set(re.findall(r"^([A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert set(example()) <= used | {"COMPOSE_FILE"}
    assert {name for name in used if name.startswith("SCRIBE_")} <= VARIABLES


def test_a_variable_of_compose_alone_is_in_the_example() -> None:
    """A user finds every one of them without reading compose.yaml."""
    used = {name for text in texts() for name in re.findall(r"\$\{(\w+)", text)}
    assert used - VARIABLES <= set(example())


@pytest.mark.parametrize("service", OURS)
def test_our_containers_write_nowhere_but_where_they_should(service: str) -> None:
    """The user is that of the image."""
    found = SERVICES[service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in found
    assert "privileged" not in found
    targets = {str(volume).split(":")[1] for volume in found.get("volumes", []) if not str(volume).endswith(":ro")}
    assert targets <= {"/scratch", "/models", "/var/lib/scribe"}


@each_process
def test_a_process_is_asked_whether_it_is_ready_and_waits_for_what_was_prepared(service: str) -> None:
    found = SERVICES[service]
    assert found["healthcheck"]["test"] == ["CMD", "healthcheck", "/readyz"]
    assert found["restart"] == "unless-stopped"
    assert found["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_only_the_shim_is_reached_from_elsewhere() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("api") == ["${API_ADDRESS:-127.0.0.1:8000}:8000"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_images_of_others_are_pinned() -> None:
    """By version and digest."""
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}
    pinned = {name for name, image in images.items() if re.search(r":[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}$", image)}
    assert set(images) - pinned == UNPINNED


def test_every_volume_is_used_and_every_mounted_file_is_there() -> None:
    mounts = [str(volume).split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    named = {source for source, *_ in mounts if not source.startswith(".")}
    assert named == set(SYSTEM["volumes"])
    files = {source for source, *_ in mounts if source.startswith("./")}
    assert [source for source in files if not (FOLDER / source).exists()] == []


def test_prometheus_scrapes_every_process() -> None:
    jobs = yaml.safe_load((FOLDER / "monitoring" / "prometheus.yaml").read_text())["scrape_configs"]
    assert {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs} == {
        name: 8000 if name == "api" else 9100 for name in PROCESSES
    }
