"""The overlays are as our rules want them, and each rule finds what breaks it."""

from collections.abc import Callable

import pytest

from deploy.checks.kubernetes.findings import findings
from deploy.checks.kubernetes.manifests import (
    Manifest,
    Variant,
    component,
    main_container,
    named,
    of_kind,
    overlays,
    pod,
    template,
    variants,
)
from tests.deploy.checks.kubernetes.conftest import manifests_of

Change = Callable[[list[Manifest]], object]


@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_is_as_it_must_be(overlay: str) -> None:
    assert findings(manifests_of(Variant(overlay))) == []


def test_there_are_three_overlays_and_every_gpu_of_their_clouds() -> None:
    assert overlays() == ["eks", "gke", "local"]
    assert {"eks: gpus/eks/t4", "eks: gpus/eks/l4", "eks: gpus/eks/a100", "gke: gpus/gke/t4", "gke: gpus/gke/a100"} < {
        each.name for each in variants()
    }


def the(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return next(each for each in manifests if named(each) == f"{kind} {name}")


def gpu(manifests: list[Manifest]) -> Manifest:
    return the(manifests, "Deployment", "scribe-gpu")


def scaling(manifests: list[Manifest]) -> Manifest:
    spec: Manifest = the(manifests, "ScaledObject", "scribe-gpu")["spec"]
    return spec


BROKEN: dict[str, tuple[Change, str]] = {
    "root": (lambda m: pod(gpu(m))["securityContext"].update(runAsNonRoot=False), "may run as root"),
    "another user": (lambda m: pod(gpu(m))["securityContext"].update(runAsUser=0), "are not 10001"),
    "seccomp": (lambda m: pod(gpu(m))["securityContext"].pop("seccompProfile"), "seccomp"),
    "a folder of the node": (
        lambda m: pod(gpu(m))["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "volume node is hostPath",
    ),
    "service links": (lambda m: template(gpu(m))["spec"].update(enableServiceLinks=True), "SCRIBE_API_PORT"),
    "no namespace profile": (
        lambda m: the(m, "Namespace", "scribe-rabbit")["metadata"].pop("labels"),
        "does not enforce the restricted profile",
    ),
    "a token too many": (
        lambda m: template(the(m, "Deployment", "scribe-api"))["spec"].update(automountServiceAccountToken=True),
        "Deployment scribe-api: has a token",
    ),
    "capabilities": (
        lambda m: main_container(gpu(m))["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "keeps capabilities",
    ),
    "a process that is not there": (
        lambda m: m.remove(the(m, "StatefulSet", "scribe-persist")),
        "persist: is not deployed",
    ),
    "no budget": (lambda m: m.remove(the(m, "PodDisruptionBudget", "scribe-gpu")), "not exactly one disruption budget"),
    "no spread": (lambda m: template(gpu(m))["spec"].pop("topologySpreadConstraints"), "is not spread over"),
    "no memory limit": (lambda m: main_container(gpu(m))["resources"]["limits"].pop("memory"), "no limit of memory"),
    "killed while it drains": (
        lambda m: the(m, "ConfigMap", drain_map(m))["data"].update(SCRIBE_DRAIN_SECONDS="290"),
        "it may take 325 s to end",
    ),
    "reaches what it need not": (
        lambda m: template(gpu(m))["metadata"]["labels"].update({"egress.scribe-rabbit/postgres": "allow"}),
        "may reach",
    ),
    "a secret in a map": (
        lambda m: the(m, "ConfigMap", drain_map(m))["data"].update(SCRIBE_POSTGRES_DSN="postgresql://"),
        "SCRIBE_POSTGRES_DSN, which are secrets",
    ),
    "a setting too few": (
        lambda m: the(m, "ConfigMap", drain_map(m))["data"].pop("SCRIBE_DEVICE"),
        "lacks SCRIBE_DEVICE",
    ),
    "a secret that nobody makes": (
        lambda m: m.remove(the(m, "ExternalSecret", "scribe-postgres")),
        "names the secret 'scribe-postgres'",
    ),
    "more processes than partitions": (lambda m: scaling(m).update(maxReplicaCount=13), "13 processes for 12"),
    "busy partitions taken for idle": (
        lambda m: scaling(m)["triggers"].append(
            {"type": "kafka", "metadata": {"consumerGroup": "scribe.transcribers", "excludePersistentLag": "true"}}
        ),
        "takes partitions with a long job for idle ones",
    ),
    "work that cannot be seen": (
        lambda m: scaling(m)["triggers"][0]["metadata"].update(ignoreNullValues="true"),
        "takes a missing metric for no work",
    ),
    "an autoscaler undone": (lambda m: gpu(m)["spec"].update(replicas=1), "undo the autoscaler's"),
}


def drain_map(manifests: list[Manifest]) -> str:
    return next(
        str(each["metadata"]["name"])
        for each in of_kind(manifests, "ConfigMap")
        if "SCRIBE_DRAIN_SECONDS" in each["data"]
    )


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_a_rule_is_found(eks: list[Manifest], change: Change, expected: str) -> None:
    change(eks)
    assert any(expected in text for text in findings(eks)), findings(eks)


def test_a_workload_that_is_none_of_ours_is_found(eks: list[Manifest]) -> None:
    gpu(eks)["metadata"]["labels"]["app.kubernetes.io/component"] = "gpus"
    assert component(gpu(eks)) == "gpus"
    assert any("'gpus' is no process of ours" in text for text in findings(eks))
