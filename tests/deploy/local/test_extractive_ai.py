"""The small service as a process of its own, going wrong as it is told to."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.extractive_ai import FAULTS, MODEL, ExtractiveService
from schemas.errors import Outage, Permanent, ScribeError, Transient
from schemas.ports import Enhancer, Throttled
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from sink.enhanced_ai.service import enhancer_for
from tests.sink.enhanced_ai.asking import MemoryAnswers, ask, enhancer

COMMAND = [sys.executable, "-m", "deploy.local.extractive_ai", "--port", "0"]


@pytest.fixture
def addresses() -> Iterator[list[str]]:
    """Those of the generic form and of the chat form."""
    command = [*COMMAND, "--key", "k", "--faults", "throttled,html"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().split()[-1] for _ in range(2)]
        finally:
            process.terminate()


def made(kind: str, address: str) -> Enhancer:
    settings: dict[str, Any] = {"endpoint": address, "api_key": "k", "kind": kind, "models": (MODEL,)}
    values = EnhancedAiSettings(**{f"enhanced_ai_{name}": value for name, value in settings.items()})
    found = enhancer_for(values, OutboundSettings(), "development")
    assert found is not None
    return found


def test_it_answers_both_forms_after_the_faults_it_was_told(addresses: list[str]) -> None:
    generic, chat = made("json", addresses[0]), made("openai", addresses[1])
    with pytest.raises(Throttled) as caught:
        asyncio.run(generic.enhance(ask(), MemoryAnswers()))
    assert caught.value.retry_after == 2
    with pytest.raises(Transient, match="no JSON"):
        asyncio.run(chat.enhance(ask(), MemoryAnswers()))
    for service in (generic, chat):
        assert asyncio.run(service.enhance(ask(), MemoryAnswers())).summary


def test_an_unknown_fault_is_a_mistake() -> None:
    done = subprocess.run([*COMMAND, "--faults", "fire"], capture_output=True, text=True, check=False)
    assert (done.returncode, "fire" in done.stderr) == (2, True)


EXPECTED: dict[str, type[ScribeError]] = {
    "html": Transient,
    "cut-off": Transient,
    "wrong-shape": Permanent,
    "slow": Transient,
    "throttled": Throttled,
    "away": Outage,
    "broken": Transient,
}


@pytest.mark.parametrize("kind", ["json", "openai"])
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_what_its_name_says(name: str, kind: str) -> None:
    with ExtractiveService(faults=[FAULTS[name]] * 2) as service:
        asked = enhancer(kind, service, enhanced_ai_timeout_seconds=0.3 if name == "slow" else 10)
        with pytest.raises(EXPECTED[name]):
            asyncio.run(asked.enhance(ask(), MemoryAnswers()))
