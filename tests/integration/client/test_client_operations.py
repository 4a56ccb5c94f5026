"""Every operation of the client on the real service: REST, its database and its object store."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from deploy.local.receiver import Receiver
from producers.client import Client, Conflict, InvalidRequest, NotFound, ProblemError
from schemas.events import TenantPolicy
from schemas.tenants.scopes import Scope
from sink.tenants.api_keys import create_key
from sink.tenants.policies import apply_policy
from tests.integration.client.clients import Opener
from tests.integration.commands import last_job
from tests.integration.dispatching import dispatching
from tests.integration.rest import URL
from tests.integration.shim import RunningShim, in_database, in_transaction
from tests.samples import AT, TRANSCRIPT

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40


def completed(shim: RunningShim, api: Client) -> UUID:
    job = api.submit(URL)
    shim.complete(last_job(shim))
    return job.job_id


def test_a_job_is_submitted_read_and_cancelled(shim: RunningShim, api: Client) -> None:
    expires = datetime.now(UTC) + timedelta(days=1)
    job = api.submit(
        URL,
        language="he",
        num_speakers=2,
        diarize=True,
        recording_id="call-17",
        expires_at=expires,
        metadata={"customer": "42 שלום"},
        priority="express",
        track=1,
    )
    request = last_job(shim)
    assert (request.job_id, request.options.language, request.options.num_speakers) == (job.job_id, "he", 2)
    assert (request.expires_at, request.metadata, request.options.track) == (expires, {"customer": "42 שלום"}, "1")
    read = api.job(job.job_id)
    assert (read.state, read.priority, read.expires_at, read.has_ended) == ("queued", "express", expires, False)
    assert [line.state for line in read.history] == ["queued"]
    assert api.waiting(job.job_id).job_id == job.job_id
    assert api.cancel(job.job_id).cancel_requested_at is not None
    with pytest.raises(Conflict) as early:
        api.transcript(job.job_id)
    assert early.value.code == "not_ready"


def test_a_repeat_is_the_same_job(api: Client) -> None:
    first = api.submit(URL, idempotency_key="k1")
    assert api.submit(URL, idempotency_key="k1").job_id == first.job_id
    mine = uuid4()
    assert api.submit(URL, job_id=mine).job_id == api.submit(URL, job_id=mine).job_id == mine
    assert api.submit(URL).job_id != api.submit(URL).job_id
    with pytest.raises(InvalidRequest) as reused:
        api.submit(URL, language="he", idempotency_key="k1")
    assert reused.value.code == "idempotency_key_reused"


def test_a_file_is_sent_from_wherever_it_is(shim: RunningShim, api: Client, tmp_path: Path) -> None:
    path = tmp_path / "the call.wav"
    path.write_bytes(WAV)
    job = api.upload(path, diarize=False, metadata={"a": "b"}, num_speakers=3, word_timestamps=True)
    assert (job.name, job.metadata, job.options["diarize"], job.options["num_speakers"]) == (
        "the call.wav",
        {"a": "b"},
        False,
        3,
    )
    saved = api.save_audio(job.job_id, tmp_path / "back.wav")
    assert saved.read_bytes() == WAV
    from_memory = api.upload(io.BytesIO(WAV), name="memory.wav")
    assert from_memory.name == "memory.wav"
    assert api.save_audio(from_memory.job_id, tmp_path / "back.wav").read_bytes() == WAV
    assert sorted(each.name for each in tmp_path.iterdir()) == ["back.wav", "the call.wav"]


def test_a_transcript_is_corrected_and_nobody_is_overwritten(shim: RunningShim, api: Client) -> None:
    job = completed(shim, api)
    tag, speaker = api.transcript_tag(job), TRANSCRIPT.speakers[0]
    made = api.correct(job, tag, speakers={speaker: "Anna"}, segments=[{"index": 0, "text": "Something else."}])
    assert (made.revision, made.changes.speakers, made.tag != tag) == (1, {speaker: "Anna"}, True)
    assert api.transcript(job).segments[0].text == "Something else."
    assert api.transcript(job, revision="machine").text == TRANSCRIPT.text
    assert b"Anna" in api.transcript_file(job, "txt")
    assert b"Anna" not in api.transcript_file(job, "txt", revision="machine")
    with pytest.raises(Conflict) as late:
        api.correct(job, tag, segments=[{"index": 0, "text": "What I would write."}])
    assert late.value.code == "revision_conflict"
    assert [(each.number, each.changes.speakers) for each in api.revisions(job)] == [(1, {speaker: "Anna"})]


def test_the_usage_of_a_tenant_is_told_by_day(shim: RunningShim, api: Client) -> None:
    completed(shim, api)
    found = api.usage(since=AT.date(), until=str(AT.date()))
    assert [(day.day, day.completed) for day in found.days] == [(AT.date(), 1)]
    assert found.total.audio_seconds == TRANSCRIPT.duration
    assert api.usage().total.failed == 0


def test_an_operator_asks_about_any_job_and_for_dead_letters_where_they_are_offered(
    shim: RunningShim, api: Client, client_of: Opener
) -> None:
    """What is in dead letters is read in test_rest_operators.py."""
    job_id = api.submit(URL).job_id
    scopes = frozenset({Scope.OPERATOR})
    operator = client_of(shim.url, in_database(shim.dsn, lambda database: create_key(database, "ops", scopes=scopes)))
    found = operator.explain(job_id)
    assert (found.tenant, found.waits[0].reason, found.waits[0].subject) == ("acme", "outbox_unpublished", "job")
    with pytest.raises(ProblemError) as refused:
        list(operator.dead_letters())
    assert refused.value.code == "not_offered"
    with pytest.raises(ProblemError) as refused:
        operator.dead_letter("persist/0/1")
    assert refused.value.code == "not_offered"


def test_jobs_are_listed_page_by_page(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.client.operations.jobs.PAGE", 2)
    ids = [api.submit(URL, recording_id=f"r{number % 2}", metadata={"n": str(number)}).job_id for number in range(5)]
    assert [job.job_id for job in api.jobs()] == ids[::-1]
    assert [job.job_id for job in api.jobs(limit=3)] == ids[:1:-1]
    assert [job.job_id for job in api.jobs(recording_id="r1")] == [ids[3], ids[1]]
    assert [job.job_id for job in api.jobs(state=["queued", "failed"], metadata={"n": "4"})] == [ids[4]]
    assert list(api.jobs(since=datetime.now(UTC))) == []
    for job in api.jobs():
        assert job.job_id == ids[-1]
        break  # what is not read is not asked for


def test_many_jobs_have_an_outcome_each(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.client.operations.jobs.MOST_LINES", 2)
    bodies = [{"url": URL, "recording_id": str(number)} for number in range(4)]
    bodies.insert(2, {"url": "gopher://x"})
    found = list(api.submit_many(bodies, idempotency_key="batch"))
    assert [outcome.line for outcome in found] == [1, 2, 3, 4, 5]
    assert [outcome.job and outcome.job.recording_id for outcome in found] == ["0", "1", None, "2", "3"]
    assert found[2].problem
    assert found[2].problem["code"] == "source_refused"
    again = list(api.submit_many(bodies, idempotency_key="batch"))
    assert [outcome.job and outcome.job.job_id for outcome in again] == [o.job and o.job.job_id for o in found]
    (line,) = api.submit_lines(json.dumps(bodies[0]).encode())
    assert line.status == 202


def test_a_transcript_in_every_form(shim: RunningShim, api: Client) -> None:
    job_id = completed(shim, api)
    transcript = api.transcript(job_id)
    assert (transcript.text, transcript.duration) == (TRANSCRIPT.text, TRANSCRIPT.duration)
    assert transcript.speakers == TRANSCRIPT.speakers
    assert [word.text for word in transcript.segments[0].words] == [w.text for w in TRANSCRIPT.segments[0].words]
    assert b"-->" in api.transcript_file(job_id, "vtt")
    assert api.transcript_file(job_id, "docx").startswith(b"PK")
    job = api.job(job_id)
    assert (job.state, job.has_ended, job.error) == ("completed", True, None)
    assert job.result
    assert job.result.speakers == ("SPEAKER_00",)
    word = TRANSCRIPT.segments[0].words[0].text.strip(".,")
    hits = list(api.search(f'"{word}"'))
    assert {hit.job_id for hit in hits} == {job_id}
    assert word in hits[0].text
    assert api.search_page(f'"{word}"', limit=1).hits == tuple(hits[:1])


def test_a_job_that_failed_says_why(shim: RunningShim, api: Client) -> None:
    job = api.submit(URL)
    shim.fail(last_job(shim))
    read = api.job(job.job_id)
    assert read.error
    with pytest.raises(Conflict) as failed:
        api.transcript(job.job_id)
    assert failed.value.code == read.error.code


def test_a_job_is_erased_with_evidence(shim: RunningShim, api: Client) -> None:
    job_id = completed(shim, api)
    erasure = api.erase(job_id)
    assert sum(erasure.rows.values()) > 0
    assert api.erasure(job_id).asked_at == erasure.asked_at
    with pytest.raises(NotFound):
        api.job(job_id)


def test_models_are_listed(api: Client) -> None:
    models = api.models()
    assert [(model.name, model.default, model.languages) for model in models] == [
        ("any", True, ()),
        ("hebrew", False, ("he",)),
    ]


def test_a_transcript_is_enhanced(shim: RunningShim, api: Client) -> None:
    policy = TenantPolicy(tenant="acme", at=datetime.now(UTC), enhanced_ai=True)
    in_transaction(shim.dsn, lambda connection: apply_policy(connection, policy))
    job_id = completed(shim, api)
    asked = api.enhance(job_id, summarize=True, idempotency_key="e1")
    assert (asked.job_id, asked.enable_summarization, asked.enable_entity_extraction) == (job_id, True, False)
    assert api.enhance(job_id, summarize=True, idempotency_key="e1").enhancement_id == asked.enhancement_id
    assert api.enhancement(asked.enhancement_id).state == asked.state
    assert [link.enhancement_id for link in api.job(job_id).enhancements] == [asked.enhancement_id]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as taking:
        yield taking


def test_webhooks_are_registered_tested_and_sent_again(shim: RunningShim, api: Client, receiver: Receiver) -> None:
    began = datetime.now(UTC)
    endpoint = api.register_webhook(receiver.url, description="CRM", max_per_second=20)
    which = endpoint.endpoint_id
    assert api.register_webhook(receiver.url).endpoint_id == which
    assert [each.endpoint_id for each in api.webhooks()] == [which]
    assert api.change_webhook(which, max_per_second=None, description="").max_per_second is None
    assert api.webhook(which).description == ""
    secret = api.webhook_secret(which)
    rotated = api.rotate_webhook_secret(which, overlap_seconds=0)
    assert rotated.secret != secret.secret
    assert (secret.secret in repr(secret), rotated.old_secret_until) == (False, None)
    assert api.rotate_webhook_secret(which).old_secret_until is not None
    with dispatching(shim.dsn):
        sent = api.test_webhook(receiver.url, wait_seconds=20)
        assert (sent.state, sent.endpoint_id) == ("delivered", which)
        assert [delivery.delivery_id for delivery in api.deliveries(endpoint_id=which, since=began)] == [
            sent.delivery_id
        ]
        assert list(api.deliveries(state="exhausted")) == []
        detail = api.delivery(sent.delivery_id)
        assert detail.payload
        assert [attempt.outcome for attempt in detail.ledger] == ["delivered"]
    assert api.redeliver(sent.delivery_id).state == "pending"
    assert api.redeliver_since(which, began) == 0
    assert api.redeliver_since(which, began, only_failed=False) <= 1
    api.delete_webhook(which)
    with pytest.raises(NotFound):
        api.webhook(which)


def test_keys_are_made_listed_and_revoked(shim: RunningShim, client_of: Opener) -> None:
    scopes = frozenset({Scope.ADMIN, Scope.READ})
    admin = client_of(shim.url, in_database(shim.dsn, lambda database: create_key(database, "acme", scopes=scopes)))
    key = admin.create_key(label="dashboard", scopes=["read"])
    assert (key.tenant, key.scopes, key.key in repr(key)) == ("acme", ("read",), False)
    assert list(client_of(shim.url, key.key).jobs()) == []
    listed = admin.keys()
    assert "dashboard" in {each.label for each in listed}
    admin.revoke_key(key.key_id)
    listed = admin.keys()
    assert [each.revoked_at is not None for each in listed if each.key_id == key.key_id] == [True]


def test_no_operation_is_left_untried() -> None:
    """Each is called by a test of this folder, which calls whatever it calls with both clients."""
    folder = Path(__file__).parent
    source = "".join(path.read_text() for path in folder.glob("test_*.py"))
    named = [name for name in vars(Client) if not name.startswith("_") and name not in ("close", "operations")]
    assert [name for name in named if f".{name}(" not in source] == []
    assert len(named) > 30
