"""What the load balancers of the overlays let through: every operation but those for operators."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from deploy.readme import ROOT
from producers.api.app import create_app
from producers.api.services import Services

OVERLAYS = ROOT / "deploy/kubernetes/overlays"
INSIDE = {"/metrics", "/livez", "/readyz", "/schema-registry"}  # the last for tools, which are where Kafka is
PAGE = {"/", "/app", "/session"}  # which OpenAPI does not describe


@pytest.mark.parametrize("overlay", ["eks", "gke"])
def test_an_ingress_leads_to_every_operation_of_clients(overlay: str) -> None:
    ingress: dict[str, Any] = yaml.safe_load((OVERLAYS / overlay / "ingress.yaml").read_text())
    led = {path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    documented = create_app(cast(Services, SimpleNamespace())).openapi()["paths"]
    wanted = ({f"/{path.split('/')[1]}" for path in documented} | PAGE) - INSIDE
    assert {"/api", "/v1"} <= wanted
    assert wanted - led == set()
    assert led.isdisjoint(INSIDE)
