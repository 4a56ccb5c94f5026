"""Series stay few whatever strangers write: ten thousand jobs of a thousand tenants with names made to multiply them."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from producers.api.app import create_app
from producers.api.http.protocol import framing_answer
from producers.api.problems import framing_problem
from producers.api.services import Services
from schemas.errors import ERRORS, Rejected
from schemas.events import JobError, JobResult, Outcome
from schemas.process import logs
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, Waiting, WaitReport
from schemas.settings.service import ServiceSettings
from schemas.webhooks.deliveries import DeliveryState
from sink.http.client import DeliveryError
from sink.http.exchange import FailureKind
from sink.process.waiting_metrics import export
from sink.webhooks.leases import LeasedDelivery
from sink.webhooks.secrets import SecretBox
from streams.agents.persist import count
from streams.webhooks.attempt import attempt
from streams.webhooks.dispatcher import tell_of
from streams.webhooks.record_attempt import Recorded
from tests.samples import AT, BARE_REQUEST

JOBS, TENANTS, MOST_SERIES = 10_000, 1_000, 2_000
HOSTILE = (
    '"}',
    "\n# HELP",
    "{a=",
    "'; DROP TABLE jobs; --",
    "نص",
    "\x00",
    "a" * 5_000,
    "{{alertname}}",
    "kind=",
    "é\ud800",
)


def series() -> int:
    return sum(len(list(metric.samples)) for metric in REGISTRY.collect())


def strange(number: int) -> str:
    """A name that no other job has."""
    return f"{HOSTILE[number % len(HOSTILE)]}{number}"


def ends() -> None:
    """Results as persist counts them; whoever may write to the topic chooses kind, code and words."""
    for number in range(JOBS):
        request = replace(BARE_REQUEST, job_id=uuid4(), tenant=f"{strange(number % TENANTS)}")
        error = JobError(kind=strange(number), code=strange(number), message=strange(number))
        result = JobResult(
            event_id=uuid4(),
            job_id=request.job_id,
            run=1,
            tenant=request.tenant,
            request=request,
            outcome=Outcome.FAILED,
            error=error,
            completed_at=AT + timedelta(seconds=number),
        )
        count(result)


class Hanging:
    """A receiver that fails in words of its own."""

    async def post(self, url: str, body: bytes, headers: dict[str, str], *, deadline_seconds: float) -> Any:
        number = int(url)
        raise DeliveryError(list(FailureKind)[number % len(FailureKind)], strange(number))


async def webhooks() -> None:
    """Attempts as the dispatcher counts them."""
    box = SecretBox([bytes(32)])
    endpoint = UUID(int=1)
    secret = box.new_secret(endpoint)
    for number in range(JOBS):
        leased = LeasedDelivery(
            delivery_id=uuid4(),
            endpoint_id=endpoint,
            job_id=uuid4(),
            tenant=strange(number % TENANTS),
            url=str(number),
            secret=secret,
            old_secrets=[],
            type=strange(number),
            payload={},
            sequence=number,
            attempt=1,
            attempts_before=0,
            lease_token=uuid4(),
            failing=False,
        )
        attempted = await attempt(leased, cast(Any, Hanging()), box, 1.0)
        tell_of(leased, attempted, Recorded(list(DeliveryState)[number % len(DeliveryState)]))


async def requests() -> None:
    """Every method on every address, and on addresses that nobody has."""
    app = create_app(cast(Services, object()))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "x" * 40)
    async with httpx.AsyncClient(transport=transport, base_url="http://shim") as client:
        for path in app.openapi()["paths"]:
            for method in methods:
                await client.request(method, path.replace("{", "").replace("}", ""))
        for number in range(JOBS // 10):
            await client.request(methods[number % len(methods)], f"/api/v1/jobs/{number}/strange{number}")
            await client.request(f"M{number}", "/")


def waits() -> None:
    """Whatever a gate holds."""
    for _ in range(100):
        export(
            WaitReport(
                tuple(Waiting("transcribers", reason, 7, 1.0) for reason in WaitReason),
                tuple(ClosedGate("transcribers", reason, 1) for reason in WaitReason),
            )
        )


def lines() -> None:
    """Levels of libraries."""
    logs.configure(ServiceSettings(log_level="debug"), "test")
    for level in range(11, 200):
        logging.getLogger("strange").log(level, "x")


def problems() -> None:
    """Every error there is, with words of strangers."""
    for number, code in enumerate(sorted(ERRORS) * 10):
        framing_problem(Rejected(code, strange(number).replace("\ud800", "")))
        framing_answer(Rejected(code))


@pytest.mark.filterwarnings("ignore")
def test_strangers_make_no_series(capsys: pytest.CaptureFixture[str]) -> None:
    """In all processes together no more than one may have."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = series()
    try:
        lines()
    finally:
        root.handlers[:], root.level = handlers, level
    ends()
    asyncio.run(webhooks())
    asyncio.run(requests())
    waits()
    problems()
    assert series() - before <= MOST_SERIES
    assert series() > 300, "something was counted"
