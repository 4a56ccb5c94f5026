"""Questions to a chat model: each raw answer is stored before it is parsed, and a wrong one is repaired once."""

import logging
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field, ValidationError

from schemas import metrics
from schemas.errors import Permanent
from schemas.ports import Answers, EnhancementQuery, KeptAnswer
from sink.enhanced_ai import prompts
from sink.enhanced_ai.calls import EnhancedAiEndpoint, bytes_of
from sink.enhanced_ai.dialect import Dialect
from sink.enhanced_ai.parts import clipped, tokens_of
from sink.enhanced_ai.prompts import Message
from sink.enhanced_ai.shapes import mistakes
from sink.enhanced_ai.verdicts import ServiceRefusal
from sink.postgres.sanitize import sanitize_text

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)
_MAX_CONTENT_CHARS = 1_000_000  # more than any right answer has


class _Said(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Said
    finish_reason: str | None = None


class _Usage(BaseModel):
    total_tokens: int = Field(0, ge=0, le=1_000_000_000)


class _Completion(BaseModel):
    """The parts of a chat completion that are used here."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Content(BaseModel):
    """The text of a model's answer, as it is stored."""

    text: str
    finish: str | None


@dataclass(frozen=True, slots=True)
class Question(Generic[M]):
    """One question: its name among the steps, its messages, and the form of its answer."""

    name: str
    messages: list[Message]
    form: type[M]


class Completions:
    """A chat endpoint at `url`; an answer has at most `most_tokens`."""

    def __init__(self, service: EnhancedAiEndpoint, url: str, most_tokens: int) -> None:
        self._service = service
        self._url = url
        self._most_tokens = most_tokens
        self._dialects: dict[str, Dialect] = {}

    async def answer(self, ask: EnhancementQuery, model: str, question: Question[M], answers: Answers) -> tuple[M, int]:
        """The checked answer and all tokens it took; Permanent when it is still wrong after its repair."""
        content, tokens = await self._content(ask, model, question, answers)
        found, wrong = _read(content, question.form)
        if found is not None:
            return found, tokens
        log.warning("an answer is to be repaired: %s", wrong)
        messages = prompts.repair(question.messages, clipped(content.text, self._most_tokens), wrong)
        again = Question(f"{question.name}/repair", messages, question.form)
        content, more = await self._content(ask, model, again, answers)
        found, wrong = _read(content, question.form)
        if found is None:
            raise Permanent("enhancement_failed", f"its answer has the wrong shape, also when asked again: {wrong}")
        return found, tokens + more

    async def _content(
        self, ask: EnhancementQuery, model: str, question: Question[M], answers: Answers
    ) -> tuple[_Content, int]:
        """The text of the model's answer: a stored one, or that of a new call, stored at once since it was paid for."""
        asked = {"model": model, "messages": question.messages, "form": question.form.__name__}
        step = f"{question.name}/{digest_of(asked)}"
        kept = await answers.find(step)
        if kept is not None:
            return _Content.model_validate_json(kept.text), kept.tokens
        completion = await self._completed(ask, model, question)
        content = _content_of(completion.choices[0])
        tokens = _tokens_of(completion, question.messages, content.text)
        metrics.ENHANCED_AI_TOKENS.inc(tokens)
        await answers.keep(step, KeptAnswer(text=content.model_dump_json(), tokens=tokens))
        return content, tokens

    async def _completed(self, ask: EnhancementQuery, model: str, question: Question[M]) -> _Completion:
        dialect = self._dialects.get(model, Dialect())
        while True:
            body = dialect.body(model, question.messages, question.form, self._most_tokens)
            key = f"{ask.enhancement_id}/{question.name}/{digest_of(body)}"
            try:
                answered = await self._service.call(self._url, body, key)
            except ServiceRefusal as refusal:
                simpler = dialect.simpler(refusal)
                if simpler is None:
                    raise
                dialect = simpler
            else:
                self._dialects[model] = dialect
                return _completion_of(answered)


def digest_of(value: dict[str, Any]) -> str:
    """Twelve hex digits that identify a question, so that an answer to another question is never used for it."""
    return sha256(bytes_of(value)).hexdigest()[:12]


def _completion_of(answered: object) -> _Completion:
    try:
        return _Completion.model_validate(answered)
    except ValidationError as error:
        raise Permanent("enhancement_failed", f"its answer is no chat completion: {mistakes(error)}") from None


def _content_of(choice: _Choice) -> _Content:
    said = choice.message
    finish = "refused" if said.refusal else choice.finish_reason
    return _Content(text=sanitize_text(said.content or "")[:_MAX_CONTENT_CHARS], finish=finish and finish[:32])


def _tokens_of(completion: _Completion, messages: list[Message], answer: str) -> int:
    """The tokens charged; estimated where the service does not report them, so that spending limits hold."""
    if completion.usage and completion.usage.total_tokens:
        return completion.usage.total_tokens
    return sum(tokens_of(message["content"]) for message in messages) + tokens_of(answer)


def _read(content: _Content, form: type[M]) -> tuple[M | None, str]:
    """The parsed answer if it is valid, otherwise a description of the mistakes."""
    if content.finish == "length":
        return None, "it is cut off: be shorter"
    if content.finish in ("content_filter", "refused"):
        return None, "it is no answer but a refusal"
    text = content.text.strip()
    # some models put their JSON between fences although asked not to
    text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        return form.model_validate_json(text), ""
    except ValidationError as error:
        return None, mistakes(error)
