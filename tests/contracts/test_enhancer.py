"""One suite for both ways to speak to an enhanced-AI service, on a real one that answers both."""

import json
from collections.abc import Iterator

import pytest

from deploy.local.extractive_ai import MODEL, ExtractiveService, Fault
from schemas.errors import Outage, Permanent, Transient
from schemas.ports import Throttled
from tests.sink.enhanced_ai.asking import MemoryAnswers, ask, enhancer, transcript

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def service() -> Iterator[ExtractiveService]:
    with ExtractiveService(key="secret") as running:
        yield running


@pytest.fixture(params=["json", "openai"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_summary_and_entities_come_from_what_was_said(kind: str, service: ExtractiveService) -> None:
    answers = MemoryAnswers()
    found = await enhancer(kind, service).enhance(ask(), answers)
    assert found.summary is not None
    assert "order" in found.summary
    assert {(e.kind, e.text) for e in found.entities} == {
        ("person", "anna"),
        ("number", "four five six seven"),
        ("date", "monday"),
    }
    assert all(e.start is not None and e.end is not None and e.start < e.end for e in found.entities)
    assert (found.model, found.tokens > 0) == (MODEL, True)
    assert found.tokens == sum(answer.tokens for answer in answers.kept.values())


async def test_only_what_was_asked_for_is_answered(kind: str, service: ExtractiveService) -> None:
    made = enhancer(kind, service)
    only_summary = await made.enhance(ask(entity_extraction=False), MemoryAnswers())
    assert (bool(only_summary.summary), only_summary.entities) == (True, ())
    only_entities = await made.enhance(ask(summarization=False), MemoryAnswers())
    assert (only_entities.summary, len(only_entities.entities)) == (None, 3)


async def test_hebrew_and_silence_are_no_trouble(kind: str, service: ExtractiveService) -> None:
    made = enhancer(kind, service)
    hebrew = transcript(("שלום מדבר דניאל", "המספר שלי הוא ארבע אחת שש", "תודה רבה"), language="he")
    found = await made.enhance(ask(hebrew), MemoryAnswers())
    assert {e.text for e in found.entities} == {"דניאל", "ארבע אחת שש"}
    paid = sum(service.paid.values())
    silence = await made.enhance(ask(transcript(())), MemoryAnswers())
    assert (silence.summary, silence.entities, silence.tokens) == ("", (), 0)
    assert sum(service.paid.values()) == paid, "there is nothing to ask about"


async def test_a_kept_answer_is_not_paid_for_again(kind: str, service: ExtractiveService) -> None:
    answers, question = MemoryAnswers(), ask()
    first = await enhancer(kind, service).enhance(question, answers)
    again = await enhancer(kind, service).enhance(question, answers)
    assert (again, sum(service.paid.values())) == (first, 1)


async def test_the_key_of_a_call_is_made_of_the_enhancements_id(kind: str, service: ExtractiveService) -> None:
    question = ask()
    await enhancer(kind, service).enhance(question, MemoryAnswers())
    await enhancer(kind, service).enhance(question, MemoryAnswers())
    ((key, paid),) = service.paid.items()
    assert key.startswith(str(question.enhancement_id))
    assert paid == 1, "an answer that was lost on its way is not charged twice"


WRONG = {
    "html": Fault(body=b"<!doctype html><title>Sign in</title>", headers={"content-type": "text/html"}),
    "cut off": Fault(body=b'{"summary": "all is w'),
    "nothing": Fault(body=b""),
    "deep": Fault(body=b"[" * 100_000),
    "no utf-8": Fault(body=b'{"summary": "\xff\xfe"}'),
    "compressed": Fault(body=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"}),
    "its own trouble": Fault(status=500, body=b"{}"),
    "a longer answer than allowed": Fault(body=b" " * 5_000_000),
}


@pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG.keys())
async def test_an_answer_that_is_none_may_be_better_next_time(
    kind: str, service: ExtractiveService, fault: Fault
) -> None:
    service.faults = [fault]
    made, answers, question = enhancer(kind, service), MemoryAnswers(), ask()
    with pytest.raises(Transient):
        await made.enhance(question, answers)
    assert answers.kept == {}
    assert (await made.enhance(question, answers)).summary


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {"retry-after": "7"}, 7.0), (503, {"retry-after": "120"}, 120.0), (429, {}, None)],
)
async def test_a_wish_for_patience_is_told(
    kind: str, service: ExtractiveService, status: int, headers: dict[str, str], seconds: float | None
) -> None:
    service.faults = [Fault(status=status, headers=headers, body=b"{}")]
    with pytest.raises(Throttled) as caught:
        await enhancer(kind, service).enhance(ask(), MemoryAnswers())
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 405])
async def test_what_the_operator_must_mend_is_no_transcripts_fault(
    kind: str, service: ExtractiveService, status: int
) -> None:
    service.faults = [Fault(status=status, headers={"location": service.url}, body=b"{}")]
    with pytest.raises(Outage, match="ENHANCED_AI"):
        await enhancer(kind, service).enhance(ask(), MemoryAnswers())
    assert service.paid == {}


async def test_a_service_that_is_not_there_is_away(kind: str) -> None:
    with ExtractiveService() as gone:
        made = enhancer(kind, gone)
    with pytest.raises(Outage):
        await made.enhance(ask(), MemoryAnswers())


async def test_a_refused_request_fails_with_the_services_code_and_not_its_words(
    kind: str, service: ExtractiveService
) -> None:
    """Its words may repeat what was said, or our key."""
    body = json.dumps({"error": {"message": "secret kanari", "code": "context_length_exceeded"}}).encode()
    service.faults = [Fault(status=422, body=body)]
    with pytest.raises(Permanent, match=r"422 \(context_length_exceeded\)") as caught:
        await enhancer(kind, service).enhance(ask(), MemoryAnswers())
    assert caught.value.code == "enhancement_failed"
    assert "secret" not in str(caught.value)
    assert "kanari" not in str(caught.value)
