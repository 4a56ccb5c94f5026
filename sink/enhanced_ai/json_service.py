"""The generic form: one POST with the transcript and the wishes, one JSON object back."""

from pydantic import ValidationError

from schemas import metrics
from schemas.errors import Permanent
from schemas.events import Entity
from schemas.ports import Answers, Ask, Enhanced, KeptAnswer
from sink.enhanced_ai.calls import Service
from sink.enhanced_ai.shapes import EnhanceRequest, EnhanceResponse, EntityIn, SegmentOut, mistakes
from sink.storable import storable_text

STEP = "all"


class JsonService:
    """An enhanced-AI service that understands EnhanceRequest at one address."""

    def __init__(self, service: Service, url: str, default_model: str | None) -> None:
        self._service = service
        self._url = url
        self._default_model = default_model

    async def enhance(self, ask: Ask, answers: Answers) -> Enhanced:
        """See schemas.ports.Enhancer; Permanent when the answer has another shape than the documented one."""
        kept = await answers.find(STEP)
        if kept is None:
            answer = _checked(await self._service.call(self._url, self._request(ask), str(ask.enhancement_id)))
            metrics.ENHANCED_AI_TOKENS.inc(answer.tokens)
            await answers.keep(STEP, KeptAnswer(text=answer.model_dump_json(), tokens=answer.tokens))
        else:
            answer = EnhanceResponse.model_validate_json(kept.text)
        return Enhanced(
            summary=storable_text(answer.summary) if ask.summarization and answer.summary is not None else None,
            entities=tuple(_entity(e, ask.transcript.duration) for e in answer.entities)
            if ask.entity_extraction
            else (),
            model=answer.model or ask.model or self._default_model or "default",
            tokens=answer.tokens,
        )

    def _request(self, ask: Ask) -> dict[str, object]:
        wishes = {"summary": ask.summarization, "entities": ask.entity_extraction}
        segments = [
            SegmentOut(start=s.start, end=s.end, speaker=s.speaker, text=s.text) for s in ask.transcript.segments
        ]
        request = EnhanceRequest.model_validate(
            {
                "enhancement_id": str(ask.enhancement_id),
                "job_id": str(ask.job_id),
                "language": ask.transcript.language,
                "duration": ask.transcript.duration,
                "tasks": [name for name, wished in wishes.items() if wished],
                "model": ask.model or self._default_model,
                "segments": segments,
            }
        )
        return request.model_dump(mode="json")


def _checked(answer: object) -> EnhanceResponse:
    try:
        return EnhanceResponse.model_validate(answer)
    except ValidationError as error:
        raise Permanent("enhancement_failed", f"its answer has the wrong shape: {mistakes(error)}") from None


def _entity(entity: EntityIn, duration: float) -> Entity:
    """With its times only if they lie within the recording."""
    timed = entity.start is not None and entity.end is not None and 0 <= entity.start <= entity.end <= duration + 1
    return Entity(
        text=storable_text(entity.text),
        kind=storable_text(entity.kind),
        start=entity.start if timed else None,
        end=entity.end if timed else None,
    )
