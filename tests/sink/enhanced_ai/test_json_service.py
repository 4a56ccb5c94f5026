"""The generic form: what is sent, and what becomes of answers of the wrong shape."""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.extractive_ai import ExtractiveService, Fault
from schemas.errors import Permanent
from tests.sink.enhanced_ai.asking import MemoryAnswers, ask, enhancer

pytestmark = pytest.mark.anyio


@pytest.fixture
def service() -> Iterator[ExtractiveService]:
    with ExtractiveService() as running:
        yield running


async def test_the_documented_request_is_sent_and_no_more(service: ExtractiveService) -> None:
    question = ask(model="large")
    await enhancer("json", service).enhance(question, MemoryAnswers())
    (sent,) = service.questions
    first, *_ = sent.pop("segments")
    assert sent == {
        "enhancement_id": str(question.enhancement_id),
        "job_id": str(question.job_id),
        "language": "en",
        "duration": 12.0,
        "tasks": ["summary", "entities"],
        "model": "large",
    }
    assert first == {"start": 0.0, "end": 2.5, "speaker": "SPEAKER_00", "text": "hello this is anna speaking"}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "fine",
        {"summary": 7},
        {"summary": " "},
        {"entities": []},
        {"summary": "x" * 20_001},
        {"entities": [{"text": "", "kind": "date"}]},
        {"entities": [{"text": "a", "kind": "k"}] * 1001},
        {"tokens": -1},
    ],
)
async def test_another_shape_fails_and_repeats_nothing_of_it(service: ExtractiveService, answer: Any) -> None:
    service.faults = [Fault(change=lambda _: answer)]
    with pytest.raises(Permanent, match="wrong shape") as caught:
        await enhancer("json", service).enhance(ask(), MemoryAnswers())
    assert "xxx" not in str(caught.value)


async def test_entities_have_the_words_and_times_of_the_recording_whatever_the_answer_says(
    service: ExtractiveService,
) -> None:
    entities = [
        {"text": "ANNA", "kind": "Person", "start": -1, "end": 999},
        {"text": "order", "kind": "thing", "start": 6, "end": 8},
        {"text": "order", "kind": "thing", "start": 1},
        {"text": "monday\u0000", "kind": "date", "start": 1, "end": 2},
        {"text": "https://evil.example", "kind": "link", "start": 1, "end": 2},
    ]
    service.faults = [Fault(change=lambda body: {**body, "entities": entities, "anything": "else"})]
    found = await enhancer("json", service).enhance(ask(), MemoryAnswers())
    assert [(e.text, e.start, e.end) for e in found.entities] == [
        ("anna", 0.6, 0.7),
        ("order", 3.2, 3.3),
        ("order", 6.2, 6.3),
        ("monday", 7.0, 7.1),
    ]


async def test_a_service_that_does_not_count_is_counted(service: ExtractiveService) -> None:
    def uncounted(body: dict[str, Any]) -> dict[str, Any]:
        del body["tokens"]
        return body

    service.faults = [Fault(change=uncounted), Fault(change=lambda body: {**body, "tokens": 0})]
    made = enhancer("json", service)
    assert (await made.enhance(ask(), MemoryAnswers())).tokens > 30
    assert (await made.enhance(ask(), MemoryAnswers())).tokens == 0
