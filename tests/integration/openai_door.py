"""Requests under /v1 with the official client, and the ends of their jobs as the persist app would write them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import openai

from schemas.events import JobRequested
from schemas.wire.serde import Serde
from tests.integration.rest import rows
from tests.integration.shim import RunningShim
from tests.integration.waiting import wait_for

T = TypeVar("T")
RECORDING = ("call.wav", b"RIFF")
PATH = "/v1/audio/transcriptions"


def client_of(shim: RunningShim, key: str | None = None, **values: Any) -> openai.OpenAI:
    """The official client, which sends nothing again unless a test wants it."""
    return openai.OpenAI(base_url=f"{shim.url}/v1", api_key=key or shim.key, **{"max_retries": 0, **values})


def requests(shim: RunningShim) -> list[JobRequested]:
    """The jobs that were accepted, in their order."""
    found = rows(shim, "SELECT value FROM outbox WHERE topic = 'scribe.jobs' ORDER BY id")
    return [Serde().decode(bytes(value), JobRequested) for (value,) in found]


def accepted_after(shim: RunningShim, count: int) -> JobRequested:
    """The job that comes after so many."""
    wait_for(lambda: len(requests(shim)) > count)
    return requests(shim)[count]


def ended(shim: RunningShim, ask: Callable[[], T], end: Callable[[JobRequested], None]) -> T:
    """What a request is answered whose job is ended while it waits."""
    before = len(requests(shim))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        wait_for(lambda: answer.done() or len(requests(shim)) > before)
        if len(requests(shim)) > before:
            end(requests(shim)[before])
        return answer.result(90)
