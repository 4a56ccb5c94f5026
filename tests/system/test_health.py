"""Every process answers probes and shows its metrics, on a port of its own."""

import httpx
import pytest

from deploy.local import ports
from deploy.local.service import OURS
from tests.system.client import Client

FAUST = ("persist", "enhance", "webhooks")


@pytest.mark.parametrize("name", OURS)
def test_a_running_process_is_alive_ready_and_measured(client: Client, name: str) -> None:
    base = f"http://{ports.HOST}:{client.service.chosen[name]}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:
        assert http.get("/livez").status_code == 200
        assert http.get("/readyz").status_code == 200
        text = http.get("/metrics").text
    assert "scribe_rabbit_" in text
    if name in FAUST:
        assert f'scribe_rabbit_consumer_rebalances_total{{group="scribe.{name}"}}' in text
