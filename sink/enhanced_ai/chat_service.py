"""Any OpenAI-compatible chat endpoint: long transcripts by map and reduce, every answer checked, repaired once, and kept."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field, ValidationError

from schemas import metrics
from schemas.errors import Permanent
from schemas.ports import Answers, Ask, Enhanced, KeptAnswer
from sink.enhanced_ai import prompts
from sink.enhanced_ai.calls import Refusal, Service
from sink.enhanced_ai.parts import groups_of, lines_of, parts_of
from sink.enhanced_ai.prompts import Message
from sink.enhanced_ai.shapes import EntitiesAnswer, PartAnswer, Quoted, SummaryAnswer, mistakes, schema_of
from sink.enhanced_ai.spans import entities_of
from sink.storable import storable_text

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)
_REPAIR_CHARS = 8000  # of a wrong answer that is shown again


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that a model takes in and gives out in one call, and those that are left for its answer."""

    tokens: int
    answer: int

    @property
    def part(self) -> int:
        """What is left for a part of a transcript; half of it for the case that an answer is repaired."""
        return self.tokens - prompts.OVERHEAD_TOKENS - 2 * self.answer


class _Said(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Said
    finish_reason: str | None = None


class _Usage(BaseModel):
    total_tokens: int = Field(0, ge=0, le=1_000_000_000)


class _Completion(BaseModel):
    """The parts of a chat completion that count here."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
    model: str | None = Field(None, max_length=256)


@dataclass(frozen=True, slots=True)
class _Step(Generic[M]):
    """One question: its name among the kept answers, its messages, and the form of its answer."""

    name: str
    messages: list[Message]
    form: type[M]


class ChatService:
    """Enhances by chat completions at `base`/chat/completions."""

    def __init__(self, service: Service, base: str, default_model: str, window: Window) -> None:
        self._service = service
        self._url = base.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._default_model = default_model
        self._window = window
        self._structured = True  # until the service says that it does not know response_format

    async def enhance(self, ask: Ask, answers: Answers) -> Enhanced:
        """See schemas.ports.Enhancer; each question is asked once, also over crashes."""
        work = _Work(self, ask, answers)
        quotes, summaries = await work.map(self._window.part)
        summary = await work.reduce(summaries, self._window.part) if ask.summarization else None
        # in a thread: quotes are looked for in hours of words
        entities = await asyncio.to_thread(entities_of, quotes, ask.transcript.segments)
        return Enhanced(
            summary=None if summary is None else storable_text(summary),
            entities=entities,
            model=ask.model or self._default_model,
            tokens=work.tokens,
        )

    async def answer(self, ask: Ask, step: _Step[M]) -> tuple[M, int]:
        """The checked answer to a step and its tokens; a wrong one is asked to be repaired once, then Permanent."""
        said, tokens = await self._ask(ask, step, step.name, step.messages)
        found, wrong = _read(said, step.form)
        if found is None:
            log.warning("an answer is to be repaired: %s", wrong)
            messages = prompts.repair(step.messages, (said.message.content or "")[:_REPAIR_CHARS], wrong)
            said, more = await self._ask(ask, step, f"{step.name}/repair", messages)
            tokens += more
            found, wrong = _read(said, step.form)
        if found is None:
            raise Permanent("enhancement_failed", f"its answer has the wrong shape, also when asked again: {wrong}")
        return found, tokens

    async def _ask(self, ask: Ask, step: _Step[M], name: str, messages: list[Message]) -> tuple[_Choice, int]:
        body: dict[str, Any] = {
            "model": ask.model or self._default_model,
            "messages": messages,
            "temperature": 0,
            "max_tokens": self._window.answer,
        }
        key = f"{ask.enhancement_id}/{name}"
        answered = await self._call(body, step.form, key)
        try:
            completion = _Completion.model_validate(answered)
        except ValidationError as error:
            raise Permanent("enhancement_failed", f"its answer is no chat completion: {mistakes(error)}") from None
        tokens = completion.usage.total_tokens if completion.usage else 0
        metrics.ENHANCED_AI_TOKENS.inc(tokens)
        return completion.choices[0], tokens

    async def _call(self, body: dict[str, Any], form: type[M], key: str) -> Any:
        if self._structured:
            schema = {"name": form.__name__, "strict": True, "schema": schema_of(form)}
            try:
                wanted = {"type": "json_schema", "json_schema": schema}
                return await self._service.call(self._url, {**body, "response_format": wanted}, key)
            except Refusal as error:
                if error.status != 400 or "response_format" not in error.detail:
                    raise
                log.info("the enhanced-AI service knows no response_format: the schema is in the question from now on")
                self._structured = False
        told = {"role": "system", "content": f"The schema of your answer: {schema_of(form)}"}
        return await self._service.call(self._url, {**body, "messages": [told, *body["messages"]]}, key)


class _Work:
    """One enhancement on its way."""

    def __init__(self, chat: ChatService, ask: Ask, answers: Answers) -> None:
        self._chat = chat
        self._ask = ask
        self._answers = answers
        self._mark = prompts.mark_of(ask.enhancement_id)
        self.tokens = 0

    async def map(self, room: int) -> tuple[list[Quoted], list[str]]:
        """The quotes and partial summaries of all parts, in order."""
        ask, quotes, summaries = self._ask, list[Quoted](), list[str]()
        for number, part in enumerate(parts_of(lines_of(ask.transcript.segments, room), room)):
            messages = prompts.part(
                part,
                self._mark,
                ask.transcript.language,
                summary=ask.summarization,
                entities=ask.entity_extraction,
            )
            found = await self._kept(_Step(f"part/{number}", messages, _form(ask)))
            quotes += getattr(found, "entities", [])
            summaries += [found.summary] if isinstance(found, PartAnswer | SummaryAnswer) else []
        return quotes, summaries

    async def reduce(self, summaries: list[str], room: int) -> str:
        """One summary of many."""
        level = 0
        while len(summaries) > 1:
            groups = groups_of(summaries, room)
            summaries = [await self._reduced(f"reduce/{level}/{n}", group) for n, group in enumerate(groups)]
            level += 1
        return summaries[0] if summaries else ""

    async def _reduced(self, name: str, group: tuple[str, ...]) -> str:
        if len(group) == 1:
            return group[0]
        messages = prompts.reduce(group, self._mark, self._ask.transcript.language)
        return (await self._kept(_Step(name, messages, SummaryAnswer))).summary

    async def _kept(self, step: _Step[M]) -> M:
        """The answer to a step: of an earlier try, or asked for now and kept before anything follows from it."""
        kept = await self._answers.find(step.name)
        if kept is not None:
            self.tokens += kept.tokens
            return step.form.model_validate_json(kept.text)
        found, tokens = await self._chat.answer(self._ask, step)
        await self._answers.keep(step.name, KeptAnswer(text=found.model_dump_json(), tokens=tokens))
        self.tokens += tokens
        return found


def _form(ask: Ask) -> type[PartAnswer] | type[SummaryAnswer] | type[EntitiesAnswer]:
    if ask.summarization and ask.entity_extraction:
        return PartAnswer
    return SummaryAnswer if ask.summarization else EntitiesAnswer


def _read(choice: _Choice, form: type[M]) -> tuple[M | None, str]:
    """The answer if it fits, else what is wrong with it."""
    text = (choice.message.content or "").strip()
    # some models put their JSON between fences although asked not to
    text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if choice.finish_reason == "length":
        return None, "it is cut off: be shorter"
    try:
        return form.model_validate_json(text), ""
    except ValidationError as error:
        return None, mistakes(error)
