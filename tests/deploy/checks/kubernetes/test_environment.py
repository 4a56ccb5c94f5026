"""Each process starts with the environment that each overlay gives it: its settings load, and mean what they shall."""

import base64

import pytest
from pydantic_settings import BaseSettings

from deploy.checks.kubernetes.manifests import Manifest, Variant, component, main_container, of_kind, overlays
from deploy.checks.kubernetes.processes import ALL, PROCESSES
from deploy.checks.kubernetes.references import maps
from deploy.kubernetes.settings import read_here
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.loading import load, unknown_variables
from schemas.settings.processes import GpuProcess
from tests.deploy.checks.kubernetes.conftest import manifests_of

SECRETS = {
    "SCRIBE_POSTGRES_DSN": "postgresql://scribe@postgres/scribe",
    "SCRIBE_WEBHOOK_KEY": base64.b64encode(bytes(32)).decode(),
}
"""What External Secrets would bring; the others are empty, which counts as not set."""
OF_AN_OVERLAY = {"gke": {"SCRIBE_KAFKA_USER": "scribe", "SCRIBE_KAFKA_PASSWORD": "secret"}}
"""What it would bring there only: on EKS a process is its account."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for cls in SETTINGS:
        for name in cls.model_fields:
            monkeypatch.delenv(variable_of(name), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def environment(process: str, manifests: list[Manifest], kept: dict[str, str]) -> dict[str, str]:
    """The variables of a process with their values; those that a pod would fill in are its name."""
    workload = next(
        each for each in of_kind(manifests, "Deployment", "StatefulSet", "Job") if component(each) == process
    )
    container, found = main_container(workload), {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            found.update(maps(manifests)[source["configMapRef"]["name"]])
        else:
            found.update(_secret(source["secretRef"]["name"], manifests, kept))
    return found | {each["name"]: "scribe-pod-0" for each in container.get("env", [])}


def _secret(name: str, manifests: list[Manifest], kept: dict[str, str]) -> dict[str, str]:
    for each in of_kind(manifests, "Secret"):
        if each["metadata"]["name"] == name:
            return {key: base64.b64decode(value or "").decode() for key, value in each["data"].items()}
    made = next(each for each in of_kind(manifests, "ExternalSecret") if each["spec"]["target"]["name"] == name)
    return {item["secretKey"]: kept.get(item["secretKey"], "") for item in made["spec"]["data"]}


def started(monkeypatch: pytest.MonkeyPatch, process: str, overlay: str) -> BaseSettings:
    given = environment(process, manifests_of(Variant(overlay)), SECRETS | OF_AN_OVERLAY.get(overlay, {}))
    assert given.keys() == read_here(ALL[process].settings)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert unknown_variables() == ()
    return load(ALL[process].settings)


@pytest.mark.parametrize("overlay", overlays())
@pytest.mark.parametrize("process", ALL)
def test_a_process_gets_its_settings_and_can_read_them(
    monkeypatch: pytest.MonkeyPatch, process: str, overlay: str
) -> None:
    settings = started(monkeypatch, process, overlay).model_dump()
    if process in PROCESSES:
        assert (settings["metrics_host"], settings["metrics_port"]) == ("0.0.0.0", 9100)
        assert settings["worker_id"] == "scribe-pod-0"
        assert settings["environment"] == ("development" if overlay == "local" else "production")


@pytest.mark.parametrize(
    ("overlay", "device", "drain"), [("local", "cpu", 260), ("eks", "cuda", 80), ("gke", "cuda", 8)]
)
def test_a_gpu_process_knows_where_it_is(
    monkeypatch: pytest.MonkeyPatch, overlay: str, device: str, drain: float
) -> None:
    settings = started(monkeypatch, "gpu", overlay)
    assert isinstance(settings, GpuProcess)
    assert (settings.device, settings.drain_seconds, settings.pod_name) == (device, drain, "scribe-pod-0")
