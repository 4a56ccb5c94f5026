"""The generic JSON form: one POST with the transcript and the requested tasks, one JSON object in reply."""

import asyncio

from pydantic import ValidationError

from schemas import metrics
from schemas.errors import Permanent
from schemas.ports import Answers, EnhancementOutput, EnhancementQuery, KeptAnswer
from sink.enhanced_ai.calls import EnhancedAiEndpoint
from sink.enhanced_ai.parts import tokens_of
from sink.enhanced_ai.shapes import EnhanceRequest, EnhanceResponse, EntityIn, SegmentOut, mistakes
from sink.enhanced_ai.spans import Quote, entities_of
from sink.postgres.sanitize import sanitize_text

STEP = "all"


class JsonService:
    """An enhanced-AI service that understands EnhanceRequest at one address."""

    def __init__(self, service: EnhancedAiEndpoint, url: str, default_model: str | None) -> None:
        self._service = service
        self._url = url
        self._default_model = default_model

    async def enhance(self, ask: EnhancementQuery, answers: Answers) -> EnhancementOutput:
        """See schemas.ports.Enhancer; raises Permanent when the answer does not have the documented shape."""
        answer, tokens = await self._answer(ask, answers) if _is_spoken(ask) else (EnhanceResponse(), 0)
        quotes = [_quote(entity) for entity in answer.entities] if ask.entity_extraction else []
        return EnhancementOutput(
            summary=sanitize_text(answer.summary or "") if ask.summarization else None,
            # in a thread: quotes are looked for in hours of words
            entities=await asyncio.to_thread(entities_of, quotes, ask.transcript),
            model=sanitize_text(answer.model or ask.model or self._default_model or "default"),
            tokens=tokens,
        )

    async def _answer(self, ask: EnhancementQuery, answers: Answers) -> tuple[EnhanceResponse, int]:
        kept = await answers.find(STEP)
        if kept is not None:
            return EnhanceResponse.model_validate_json(kept.text), kept.tokens
        request = _request(ask, ask.model or self._default_model)
        answer = _checked(await self._service.call(self._url, request.model_dump(), ask.question), ask)
        tokens = _estimated(request, answer) if answer.tokens is None else answer.tokens
        metrics.ENHANCED_AI_TOKENS.inc(tokens)
        await answers.keep(STEP, KeptAnswer(text=answer.model_dump_json(), tokens=tokens))
        return answer, tokens


def _is_spoken(ask: EnhancementQuery) -> bool:
    return any(segment.text.strip() for segment in ask.transcript.segments)


def _request(ask: EnhancementQuery, model: str | None) -> EnhanceRequest:
    return EnhanceRequest(
        enhancement_id=str(ask.enhancement_id),
        job_id=str(ask.job_id),
        language=ask.transcript.language,
        duration=ask.transcript.duration,
        tasks=[*(["summary"] if ask.summarization else []), *(["entities"] if ask.entity_extraction else [])],
        model=model,
        segments=[
            SegmentOut(start=s.start, end=s.end, speaker=s.speaker, text=s.text) for s in ask.transcript.segments
        ],
    )


def _checked(answer: object, ask: EnhancementQuery) -> EnhanceResponse:
    try:
        found = EnhanceResponse.model_validate(answer)
    except ValidationError as error:
        raise Permanent("enhancement_failed", f"its answer has the wrong shape: {mistakes(error)}") from None
    if ask.summarization and not (found.summary or "").strip():
        raise Permanent("enhancement_failed", "its answer has the wrong shape: summary: is missing")
    return found


def _quote(entity: EntityIn) -> Quote:
    start, end = entity.start, entity.end if entity.end is not None else entity.start
    return Quote(entity.text, entity.kind, None if start is None or end is None else (start, end))


def _estimated(request: EnhanceRequest, answer: EnhanceResponse) -> int:
    """Estimated tokens, so that spending limits hold although the service does not report what it charged."""
    return sum(tokens_of(segment.text) for segment in request.segments) + tokens_of(answer.summary or "")
