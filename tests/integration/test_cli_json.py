"""Every command with --json prints one form: an object a line, REST's names, times in RFC 3339 and UTC."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.stack import Stack
from producers.api.access.usage import UsageView
from producers.api.jobs.bulk import BulkOutcome
from producers.api.jobs.erasures import ErasureView
from producers.api.jobs.results.enhanced_ai import EnhancementView
from producers.api.jobs.results.revisions import CorrectionView, RevisionView
from producers.api.jobs.search import HitView
from producers.api.jobs.views import JobSummary, JobView, ModelView
from producers.api.jobs.waiting import WaitingView
from producers.api.webhooks.views import DeliveryDetail, DeliveryView, EndpointView
from producers.cli.app import create_cli
from producers.cli.terminal.json_lines import print_json
from schemas.events import TenantPolicy
from schemas.topics import JOBS, TRANSCRIBERS
from schemas.wire.headers import Origin
from sink.memory import MemoryObjectStore
from sink.tenants.policies import apply_policy
from sink.webhooks.secrets import new_key
from tests.integration.commands import Run, for_shim, last_job, lines
from tests.integration.gpu import job as new_request
from tests.integration.gpu import publish_to
from tests.integration.shim import RunningShim, in_transaction, serving
from tests.integration.test_dead_letters import SERDE, dead_letter
from tests.structure.test_command_lines import declared

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
FREE = {"handled", "message", "text", "value", "payload", "headers"}
"""Words for people, and what others wrote."""


def times(value: Any, name: str = "") -> Iterator[str]:
    """Every text within that is a time."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from times(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from times(inner, name)
    elif isinstance(value, str) and name not in FREE and LIKE_A_TIME.match(value):
        yield value


class Lines:
    """What was printed, command by command."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def read(self, command: str, shown: str, *, fields: set[str] | None = None, more: int = 0) -> list[dict[str, Any]]:
        """The objects on the lines; `fields` are the names that each has."""
        self.asked.add(command)
        found = lines(shown)
        assert len(found) > 0, command
        for each in found:
            assert isinstance(each, dict), command
            assert [text for text in times(each) if not UTC_TIME.fullmatch(text)] == [], command
            assert fields is None or set(each) == fields, command
        return found


def test_every_command_with_json_has_the_same_form(
    shim: RunningShim,
    stack: Stack,
    topic_admin: AdminClient,
    kafka: str,
    bucket: str,
    run_here: Run,
    tmp_path: Path,
) -> None:
    lines = tmp_path / "jobs.ndjson"
    lines.write_text('{"url": "https://media.example/3.mp3"}')
    values = {
        **stack.environment(),
        **for_shim(shim),
        "SCRIBE_POSTGRES_DSN": shim.dsn,
        "SCRIBE_S3_BUCKET": bucket,
        "SCRIBE_WEBHOOK_KEY": new_key(),
        "SCRIBE_ENVIRONMENT": "development",
    }
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert run_here("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    seen = Lines()

    def shown(command: str, *arguments: str, fields: set[str] | None = None) -> list[dict[str, Any]]:
        done = run_here(*command.split(), *arguments, "--json", **values)
        assert done.returncode == 0, (command, done.stderr)
        return seen.read(command, done.stdout, fields=fields)

    def names(model: Any, *more: str, without: tuple[str, ...] = ()) -> set[str]:
        return {*model.model_fields, *more} - set(without)

    # jobs
    shown("models", fields=names(ModelView))
    shown("usage", fields=names(UsageView))
    (made,) = shown("submit", "https://media.example/1.mp3", fields=names(JobSummary))
    shown("cancel", made["job_id"], fields=names(JobSummary))
    shown("bulk", str(lines), fields=names(BulkOutcome))
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF" * 10)
    (stored,) = shown("submit", str(recording))
    shown("audio", stored["job_id"], "-o", str(tmp_path / "back.wav"), fields={"job_id", "path", "bytes"})
    shown("submit", "https://media.example/2.mp3")
    request = last_job(shim)
    shim.complete(request)
    shown("watch", str(request.job_id), fields=names(JobView))
    shown("status", str(request.job_id), fields=names(JobView))
    shown("events", str(request.job_id))
    shown("why", str(request.job_id), fields=names(WaitingView))
    shown("jobs", fields=names(JobSummary))
    shown("rename", str(request.job_id), "SPEAKER_00=Anna", fields=names(CorrectionView))
    shown("correct", str(request.job_id), "1", "hello", fields=names(CorrectionView))
    shown("revisions", str(request.job_id), fields=names(RevisionView))
    shown("search", "hello", fields=names(HitView))
    # operators with the database
    shown("database stalled", "--queued-hours", "0.000001")
    shown("keys create", "--tenant", "globex")
    shown("keys list")
    run_here("hold", "set", "--tenant", "acme", "--job", str(request.job_id), "--reason", "x", **values)
    shown("hold list")
    run_here("hold", "release", "--tenant", "acme", "--job", str(request.job_id), **values)
    endpoint = names(EndpointView, "tenant", without=("links",))
    shown("webhooks add", "https://acme.example/hook", "--tenant", "acme", fields=endpoint)
    shown("webhooks list", fields=endpoint)
    run_here("webhooks", "test", "https://acme.example/hook", "--tenant", "acme", "--wait", "0", **values)
    (delivery,) = shown("webhooks deliveries", fields=names(DeliveryView, "tenant", without=("links",)))
    shown("webhooks show", delivery["delivery_id"], fields=names(DeliveryDetail, "tenant", without=("links",)))
    shown("erase", str(request.job_id), "--tenant", "acme", fields=names(ErasureView, "tenant"))
    # operators with Kafka
    tenant = f"t{uuid4().hex}"
    shown("tenants set", tenant, "--retention", "audio=7")
    shown("tenants show", tenant)
    shown("tenants list")
    event = replace(new_request(), tenant=tenant)
    publish_to(kafka, dead_letter(TRANSCRIBERS, SERDE.encode(event), Origin(JOBS, 0, 5)))
    (letter,) = shown("dlq list", "--tenant", tenant)
    shown("dlq show", letter["item"])
    shown("dlq redrive", "--tenant", tenant, "--dry-run")
    shown("dlq redrive", "--tenant", tenant)
    other = f"t{uuid4().hex}"
    publish_to(kafka, dead_letter(TRANSCRIBERS, SERDE.encode(replace(event, tenant=other)), Origin(JOBS, 0, 6)))
    shown("dlq discard", "--tenant", other)
    shown("topics acls")
    shown("replay", "--tenant", tenant, "--dry-run")
    shown("replay", "--tenant", tenant)
    with_json = {
        words for words, callback in declared(create_cli()) if "as_json" in inspect.signature(callback).parameters
    }
    assert with_json - seen.asked == {"enhance"}  # below: it needs models and a policy


def test_an_enhancement_has_that_form_too(database: str, run_here: Run) -> None:
    policy = TenantPolicy(tenant="acme", enhanced_ai=True, llm_models=("small",), at=datetime.now(UTC))
    with serving(database, MemoryObjectStore(), llm_models=("small",)) as shim:
        in_transaction(database, lambda connection: apply_policy(connection, policy))
        request = replace(new_request(), tenant="acme")
        shim.complete(request)
        done = run_here("enhance", str(request.job_id), "--summarize", "--json", **for_shim(shim))
    assert done.returncode == 0, done.stderr
    Lines().read("enhance", done.stdout, fields=set(EnhancementView.model_fields))


def test_a_list_without_anything_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([])
    assert capsys.readouterr().out == ""


def test_what_terminals_obey_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "a\x1b[2Jb\x9bc"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": "a\x1b[2Jb\x9bc"}
    assert not {"\x1b", "\x9b"} & set(printed)


def test_a_value_without_a_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="object has no form"):
        print_json({"what": object()})
