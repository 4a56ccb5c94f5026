"""The operations under /v1 before the official Python client of OpenAI: every form of answer, and its exceptions."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose, TranslationVerbose
from starlette.types import Receive, Scope, Send

from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from schemas.errors import ERRORS
from schemas.events import Task
from schemas.tenants.permissions import free_policy
from schemas.tenants.quotas import MOST_QUEUED
from schemas.transcript import Segment, Transcript, Word
from schemas.wire.object_keys import upload_key
from sink.objects.s3 import S3ObjectStore
from sink.tenants.policies import apply_policy
from tests.integration.hostile import SlowClient, served, until_closed
from tests.integration.openai_door import PATH, RECORDING, client_of, ended, requests
from tests.integration.rest import check_openai_error, rows
from tests.integration.shim import RunningShim, in_transaction, serving
from tests.integration.waiting import wait_for
from tests.samples import AT, ERROR

TRANSCRIPT = Transcript(
    language="he",
    duration=2.5,
    segments=(
        Segment(
            start=0.25,
            end=1.0,
            text="shalom lekha",
            speaker="SPEAKER_01",
            words=(
                Word(start=0.25, end=0.5, text="shalom", probability=0.5),
                Word(start=0.5, end=1.0, text="lekha", probability=0.5),
            ),
        ),
        Segment(start=1.0, end=2.0, text="toda", speaker="SPEAKER_00"),
    ),
)
TEXT = "shalom lekha toda"
NOTHING_MAY_WAIT = replace(free_policy("acme"), at=AT, quotas={MOST_QUEUED: 0})

translations = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # says their client of all of them


@pytest.fixture
def official(shim: RunningShim) -> Iterator[openai.OpenAI]:
    with client_of(shim) as client:
        yield client


@pytest.fixture
def transcribed(shim: RunningShim, official: openai.OpenAI) -> Callable[..., Any]:
    """The answer to a request whose job is completed while it waits."""

    def transcribe(**fields: Any) -> Any:
        ask = partial(official.audio.transcriptions.create, file=RECORDING, model="whisper-1", **fields)
        return ended(shim, ask, lambda request: shim.complete(request, TRANSCRIPT))

    return transcribe


def test_json_is_text_and_what_was_used(shim: RunningShim, transcribed: Callable[..., Any]) -> None:
    """The job is one as any other: of the default model, nobody told apart, with what was wished."""
    answer = transcribed(language="he", prompt="shabat", temperature=0.2)
    assert (answer.text, answer.usage.type, answer.usage.seconds) == (TEXT, "duration", 2.5)
    (request,) = requests(shim)
    options = request.options
    assert (options.model, options.language, options.prompt, options.diarize) == (None, "he", "shabat", False)
    assert (request.source.name, request.source.size_bytes, options.task) == ("call.wav", 4, Task.TRANSCRIBE)


def test_verbose_json_has_what_its_type_asks_for(transcribed: Callable[..., Any]) -> None:
    answer = transcribed(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert isinstance(answer, TranscriptionVerbose)
    TranscriptionVerbose.model_validate(answer.model_dump())  # the client itself checks nothing
    assert (answer.language, answer.duration, answer.text) == ("hebrew", 2.5, TEXT)
    assert answer.to_dict()["task"] == "transcribe"
    assert [(w.word, w.start, w.end) for w in answer.words or ()] == [("shalom", 0.25, 0.5), ("lekha", 0.5, 1.0)]
    assert answer.segments is not None
    first, second = answer.segments
    assert (first.id, first.seek, first.start, first.end, first.text) == (0, 25, 0.25, 1.0, "shalom lekha")
    assert (round(first.avg_logprob, 3), second.avg_logprob, second.id) == (-0.693, 0, 1)


LISTED: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"segments"}),
    ({"timestamp_granularities": ["word"]}, {"words"}),
    ({"timestamp_granularities": ["segment"]}, {"segments"}),
]
TEXTS = {
    "text": f"{TEXT}\n",
    "srt": "1\n00:00:00,200 --> 00:00:01,000\nshalom lekha\n\n2\n00:00:01,000 --> 00:00:02,000\ntoda\n",
    "vtt": "WEBVTT\n\n00:00:00.200 --> 00:00:01.000\nshalom lekha\n\n00:00:01.000 --> 00:00:02.000\ntoda\n",
}


def test_verbose_json_lists_what_is_wished(transcribed: Callable[..., Any]) -> None:
    for wish, listed in LISTED:
        answer = transcribed(response_format="verbose_json", **wish)
        assert {name for name in ("segments", "words") if getattr(answer, name) is not None} == listed, wish


def test_text_and_subtitles_name_nobody(transcribed: Callable[..., Any]) -> None:
    assert {form: transcribed(response_format=form) for form in TEXTS} == TEXTS


def test_diarized_json_asks_who_speaks(shim: RunningShim, transcribed: Callable[..., Any]) -> None:
    """Speakers are letters in the order in which they are first heard; names and samples of them are ignored."""
    answer = transcribed(
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["agent"],
        known_speaker_references=[f"data:audio/wav;base64,{'A' * 400_000}"],
    )
    assert isinstance(answer, TranscriptionDiarized)
    TranscriptionDiarized.model_validate(answer.model_dump())
    assert (answer.task, answer.duration, answer.text) == ("transcribe", 2.5, TEXT)
    assert [(s.id, s.speaker, s.start, s.text, s.type) for s in answer.segments] == [
        ("seg_0", "A", 0.25, "shalom lekha", "transcript.text.segment"),
        ("seg_1", "B", 1.0, "toda", "transcript.text.segment"),
    ]
    assert requests(shim)[0].options.diarize


def test_a_stream_is_a_delta_for_each_segment_and_then_all(transcribed: Callable[..., Any]) -> None:
    events = list(transcribed(stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == TEXT
    assert (events[-1].usage.type, events[-1].usage.seconds) == ("duration", 2.5)


def test_a_stream_with_speakers_has_each_segment(transcribed: Callable[..., Any]) -> None:
    events = list(transcribed(stream=True, response_format="diarized_json"))
    deltas, segments = events[:-1:2], events[1:-1:2]
    assert [(delta.delta, delta.segment_id) for delta in deltas] == [("shalom lekha", "seg_0"), (" toda", "seg_1")]
    assert [(s.type, s.id, s.speaker, s.text) for s in segments] == [
        ("transcript.text.segment", "seg_0", "A", "shalom lekha"),
        ("transcript.text.segment", "seg_1", "B", "toda"),
    ]


@translations
def test_a_translation_is_into_english(shim: RunningShim, official: openai.OpenAI) -> None:
    ask = partial(official.audio.translations.create, file=RECORDING, model="any", response_format="verbose_json")
    english = replace(TRANSCRIPT, language="en")
    answer: Any = ended(shim, ask, lambda request: shim.complete(request, english))
    assert isinstance(answer, TranslationVerbose)
    TranslationVerbose.model_validate(answer.model_dump())
    assert (answer.language, answer.text, answer.to_dict()["task"]) == ("english", TEXT, "translate")
    (request,) = requests(shim)
    assert (request.options.task, request.options.model, request.options.diarize) == (Task.TRANSLATE, "any", False)


def test_the_async_client(shim: RunningShim) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{shim.url}/v1", api_key=shim.key, max_retries=0) as client:
            stream = await client.audio.transcriptions.create(file=RECORDING, model="any", stream=True)
            return [event async for event in stream]

    events = ended(shim, lambda: asyncio.run(ask()), lambda request: shim.complete(request, TRANSCRIPT))
    assert events[-1].text == TEXT


def test_models(official: openai.OpenAI) -> None:
    listed = official.models.list()
    assert [model.id for model in listed] == ["whisper-1", "any", "hebrew"]
    assert (listed.data[0].object, listed.data[0].owned_by) == ("model", "scribe-rabbit")
    assert official.models.retrieve("hebrew").id == "hebrew"
    with pytest.raises(openai.NotFoundError, match="'whisper-9'; known: whisper-1, any, hebrew"):
        official.models.retrieve("whisper-9")
    with pytest.raises(openai.NotFoundError):
        official.models.retrieve("a/b")


WRONG: list[tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
    ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "unknown_model", "model"),
    ({"model": "hebrew", "language": "en"}, openai.BadRequestError, "unknown_language", "language"),
    ({"language": "xx"}, openai.BadRequestError, "unknown_language", "language"),
    ({"response_format": "docx"}, openai.BadRequestError, "invalid_request", "response_format"),
    ({"timestamp_granularities": ["letter"]}, openai.BadRequestError, "invalid_request", "timestamp_granularities.0"),
    ({"temperature": 2}, openai.BadRequestError, "invalid_request", "temperature"),
    ({"prompt": "x" * 4001}, openai.BadRequestError, "invalid_request", "prompt"),
    ({"file": ("a.wav", b"")}, openai.BadRequestError, "media_empty", "file"),
    ({"extra_headers": {"Idempotency-Key": "two words"}}, openai.BadRequestError, "invalid_request", "Idempotency-Key"),
]


def test_what_is_wrong_is_an_exception_of_the_client(
    shim: RunningShim, official: openai.OpenAI, object_store: S3ObjectStore
) -> None:
    """With our code, and the field that it is about; nothing is kept of it."""
    for fields, kind, code, field in WRONG:
        wish = {"file": RECORDING, "model": "whisper-1", **fields}
        with pytest.raises(kind) as caught:
            official.audio.transcriptions.create(**wish)
        assert (caught.value.code, caught.value.param) == (code, field), fields
        assert (caught.value.type, bool(caught.value.message)) == ("invalid_request_error", True)
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]
    assert list(object_store.keys("")) == []


@translations
def test_what_a_translation_cannot_be(official: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="must be one of json, text, srt, verbose_json, vtt"):
        official.audio.translations.create(file=RECORDING, model="any", response_format="diarized_json")  # type: ignore[call-overload]
    with pytest.raises(openai.BadRequestError, match="model 'hebrew' does not translate"):
        official.audio.translations.create(file=RECORDING, model="hebrew", extra_body={"language": "he"})


def test_a_key_is_a_bearer_token_or_the_header_of_the_others(shim: RunningShim) -> None:
    address = f"{shim.url}/v1/models"
    good, other = {"Authorization": f"Bearer {shim.key}"}, {"X-API-Key": shim.key_of("globex")}
    for headers in (
        good,
        {"Authorization": f"bearer  {shim.key}"},
        {"X-API-Key": shim.key},
        good | {"X-API-Key": shim.key},
    ):
        assert httpx.get(address, headers=headers, trust_env=False, timeout=90).status_code == 200, headers
    for headers in ({}, good | other, {"Authorization": f"Basic {shim.key}"}, {"Authorization": "Bearer"}):
        error = check_openai_error(
            httpx.get(address, headers=headers, trust_env=False, timeout=90), 401, "unauthorized"
        )
        assert error["type"] == "authentication_error"
    twice = httpx.Headers([*good.items(), *good.items()])
    check_openai_error(httpx.get(address, headers=twice, trust_env=False, timeout=90), 401, "unauthorized")
    with client_of(shim, "sr_live_none") as client, pytest.raises(openai.AuthenticationError):
        client.audio.transcriptions.create(file=RECORDING, model="any")


def test_every_error_under_v1_has_the_shape_of_openai(shim: RunningShim, client: httpx.Client) -> None:
    """And no other address has."""
    check_openai_error(client.get("/v1/nothing"), 404, "not_found")
    check_openai_error(client.get("/v1"), 404, "not_found")
    wrong = client.put("/v1/models")
    check_openai_error(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS"
    check_openai_error(client.post(PATH, json={"model": "any"}), 400, "unsupported_media_type")
    head = {"content-type": "multipart/form-data; boundary=b"}
    check_openai_error(client.post(PATH, content=b"--b--\r\n", headers=head), 400, "invalid_request")
    check_openai_error(client.post(PATH, content=b"--x", headers=head), 400, "invalid_request")
    for path in ("/v1x/models", "/api/v1/nothing", "/x/v1/models"):
        assert client.get(path).headers["content-type"] == "application/problem+json", path


def test_a_client_that_is_too_slow_is_told_in_that_shape() -> None:
    """By the server itself, which no handler does for it."""

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    stranger = SlowClient(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx".encode())
    with served(read) as port:
        head, _, body = until_closed(stranger, stranger.call(port)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"]["code"] == "request_timeout"


def test_overload_is_told_with_the_time_to_wait(database: str, object_store: S3ObjectStore) -> None:
    """429 and 503 are those exceptions that the client itself sends again."""
    busy = TenantConcurrencyLimiter(places=0, per_tenant=1, seconds=0.1)
    with serving(database, object_store, waits=busy) as shim, client_of(shim) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.audio.transcriptions.create(file=RECORDING, model="any")
        assert (caught.value.status_code, caught.value.code, caught.value.type) == (503, "busy", "server_error")
        assert int(caught.value.response.headers["retry-after"]) > 0
    with serving(database, object_store) as shim, client_of(shim) as client:
        in_transaction(shim.dsn, lambda connection: apply_policy(connection, NOTHING_MAY_WAIT))
        with pytest.raises(openai.RateLimitError) as refused:
            client.audio.transcriptions.create(file=RECORDING, model="any")
        assert (refused.value.code, refused.value.type) == ("quota_exceeded", "rate_limit_error")
        assert int(refused.value.response.headers["retry-after"]) > 0


FAILED = [
    ("not_media", openai.BadRequestError, 400),
    ("media_truncated", openai.BadRequestError, 400),
    ("media_too_long", openai.BadRequestError, 400),
    ("media_too_large", openai.APIStatusError, 413),
    ("expired", openai.APIStatusError, 410),
    ("retries_exhausted", openai.InternalServerError, 500),
]


def test_a_job_that_fails_is_an_exception_that_is_not_sent_again(shim: RunningShim) -> None:
    """With the job's own code and words, and its id; the client would send some of them again by itself."""
    with client_of(shim, max_retries=2) as client:
        for number, (code, kind, status) in enumerate(FAILED):
            error = replace(ERROR, kind=ERRORS[code].kind, code=code, message=f"it is {code}")
            ask = partial(client.audio.transcriptions.create, file=("a.wav", b"%d" % number), model="any")
            with pytest.raises(kind) as caught:
                ended(shim, ask, lambda request, error=error: shim.fail(request, error))  # type: ignore[misc]
            assert (caught.value.status_code, caught.value.code) == (status, code)
            assert caught.value.body["message"] == f"it is {code}"  # type: ignore[index]
            assert caught.value.response.headers["x-scribe-job-id"] == str(requests(shim)[number].job_id)
        with pytest.raises(openai.ConflictError) as conflict:
            ended(shim, partial(client.audio.transcriptions.create, file=RECORDING, model="any"), shim.cancel)
        assert conflict.value.code == "cancelled"
        assert rows(shim, "SELECT count(*) FROM jobs") == [(len(FAILED) + 1,)]


def test_a_job_that_fails_during_a_stream_ends_it_with_the_error(shim: RunningShim, client: httpx.Client) -> None:
    """Comments keep the connection alive until then."""
    form = {"files": {"file": RECORDING}, "data": {"stream": "true"}}
    with client.stream("POST", PATH, **form) as answer:  # type: ignore[arg-type]
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": waiting"
        shim.fail(requests(shim)[0])
        said = "\n".join(lines)
    assert re.search(r'event: error\ndata: \{"error":\{"message":.*"code":"media_empty"\}\}', said), said


def test_every_answer_names_its_job(shim: RunningShim, official: openai.OpenAI, object_store: S3ObjectStore) -> None:
    ask = partial(official.audio.transcriptions.with_raw_response.create, file=RECORDING, model="any")
    raw = ended(shim, ask, lambda request: shim.complete(request, TRANSCRIPT))
    (request,) = requests(shim)
    assert raw.headers["x-scribe-job-id"] == str(request.job_id)
    assert object_store.get(upload_key("acme", request.source.uri.removeprefix("upload://"))) == b"RIFF"  # type: ignore[arg-type]


def test_the_file_may_come_last_and_unknown_fields_anywhere(shim: RunningShim, client: httpx.Client) -> None:
    fields: list[tuple[str, Any]] = [("voice", (None, "x")), ("model", (None, "any")), ("x[]", (None, "1"))]
    form = [*fields, ("language", (None, "")), ("file", RECORDING), ("after", ("b.wav", b"y"))]
    answer = ended(shim, lambda: client.post(PATH, files=form), lambda request: shim.complete(request, TRANSCRIPT))
    assert (answer.status_code, answer.json()["text"]) == (200, TEXT)


def test_labels_of_metrics_are_those_of_the_routes(client: httpx.Client) -> None:
    for name in ("a", "b/c", "d" * 1000):
        client.get(f"/v1/models/{name}")
    client.post(PATH)
    wait_for(lambda: 'route="/v1/audio/transcriptions",status="400"' in client.get("/metrics").text)
    told = client.get("/metrics").text
    assert set(re.findall(r'route="(/v1[^"]*)"', told)) <= {
        "/v1/models",
        "/v1/models/{model:model_name}",
        PATH,
        "/v1/audio/translations",
    }
