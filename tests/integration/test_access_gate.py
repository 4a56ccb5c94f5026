"""A process that the broker does not let in says why, and ends in good order when it is told to."""

import signal
import subprocess
import sys

import httpx
import pytest

from deploy.local.ports import HOST, choose
from tests.integration.commands import environment
from tests.integration.faust_process import until


@pytest.mark.parametrize("command", [("producers.relay",), ("streams", "enhance")], ids=str)
def test_whoever_waits_for_a_broker_ends_when_told(command: tuple[str, ...], database: str, deaf_port: int) -> None:
    port = choose(["metrics"], {}, {})["metrics"]
    given = environment(
        SCRIBE_KAFKA_BOOTSTRAP=f"{HOST}:{deaf_port}",
        SCRIBE_POSTGRES_DSN=database,
        SCRIBE_METRICS_PORT=str(port),
    )
    with subprocess.Popen([sys.executable, "-m", *command], env=given, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "waiting: " in line)
        assert f"is a broker at {HOST}:{deaf_port}? See SCRIBE_KAFKA_BOOTSTRAP" in said
        until("not ready", lambda: "SCRIBE_KAFKA_BOOTSTRAP" in _readiness(port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def _readiness(port: int) -> str:
    return httpx.get(f"http://{HOST}:{port}/readyz", timeout=5, trust_env=False).text
