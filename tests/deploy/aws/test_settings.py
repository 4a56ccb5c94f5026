"""Settings of the task definitions are those that the code reads, and their secrets are known as such."""

import json
import re

import pytest

from deploy.process_settings import FILE, PROCESSES, document, secrets, variables
from deploy.readme import exported_metrics, metric_name
from gpu_consumers import service as gpu
from schemas import metrics
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.outbound import OutboundSettings
from tests.deploy.aws.hcl import AWS, block, names

# published for scaling and alarms
METRIC = re.compile(r"local\.prefix\}(\w+)")
FOREIGN = {"PGPASSWORD"}
EVERY = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}


def test_the_file_for_terraform_is_what_the_code_says() -> None:
    assert FILE.read_text() == document(), "python -m deploy.process_settings"


def test_every_value_is_of_a_setting() -> None:
    """A misspelt name would be left out of every task definition, for no process reads it."""
    given = {
        *names(block("settings.tf", "values")),
        *re.findall(r"\bSCRIBE_\w+|\bENHANCED_\w+", (AWS / "services.tf").read_text()),
    }
    assert given - EVERY == set()


def test_a_process_reads_only_what_is_its_own() -> None:
    assert "SCRIBE_POSTGRES_DSN" not in variables("gpu")
    assert "SCRIBE_WEBHOOK_KEY" not in variables("relay")
    assert {"SCRIBE_WEBHOOK_KEY", "ENHANCED_AI_API_KEY"} <= secrets()
    assert "ECS_AGENT_URI" not in variables("gpu")
    assert all(variables(process) <= EVERY for process in PROCESSES)


def test_every_process_is_a_service_and_has_time_to_end() -> None:
    """ECS must wait longer than a process may take."""
    webhook = OutboundSettings.model_fields["webhook_timeout_seconds"].default
    limits = {
        "api": 30,
        "relay": 30,
        "persist": 90,
        "enhance": 90,
        "webhooks": 90,
        "dispatch": webhook + 30,
        "retention": 60,
    }
    found = dict(
        re.findall(r"^\s*(\w+)\s*= \{ image = .*stop_timeout = (\d+)", (AWS / "services.tf").read_text(), re.MULTILINE)
    )
    assert set(found) | {"gpu"} == set(PROCESSES)
    assert {process: seconds for process, seconds in limits.items() if float(found[process]) <= seconds} == {}


def test_a_gpu_task_ends_before_it_is_killed() -> None:
    text = (AWS / "settings.tf").read_text()
    stop = re.search(r"gpu_stop_timeout = (\d+)", text)
    spared = re.search(r"SCRIBE_DRAIN_SECONDS\s*= local.gpu_stop_timeout - (\d+)", text)
    assert stop
    assert spared
    assert float(spared[1]) > gpu.STOP_SECONDS
    assert int(stop[1]) <= 120, "AWS takes a spot instance two minutes after its notice"


@pytest.mark.parametrize("process", sorted(set(PROCESSES) - {"gpu"}))
def test_a_password_is_no_part_of_a_connection_string(process: str) -> None:
    assert json.loads(document())["processes"][process] == sorted(variables(process))
    assert "@${module.database.address}" in (AWS / "settings.tf").read_text()
    assert FOREIGN.isdisjoint(variables(process))


def test_published_metrics_are_those_of_the_code() -> None:
    if not hasattr(metrics, "AUDIO_PENDING"):
        pytest.skip("there is no gauge of pending audio: nothing could be scaled by it")
    known = {metric_name(metric) for metric in exported_metrics()}
    named = {
        f"{metrics.P}{name}"
        for file in ("metrics.tf", "alarms.tf")
        for name in METRIC.findall((AWS / file).read_text())
    }
    assert named - known == set()
