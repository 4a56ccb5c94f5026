"""The restricted profile of pod security and what we ask beyond it, for every pod."""

from collections.abc import Iterator

from deploy.checks.kubernetes.manifests import WORKLOADS, Manifest, containers, named, of_kind, pod

USER = 10001
VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
WITH_TOKEN = frozenset({"scribe-gpu"})
"""Workloads whose pods speak to the API server; no other has a token for it."""


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Everything of the restricted profile that is not kept."""
    for workload in of_kind(manifests, *WORKLOADS):
        name = named(workload)
        yield from (f"{name}: {text}" for text in _of_pod(workload))
        for container in containers(workload):
            yield from (f"{name}: container {container['name']}: {text}" for text in _of_container(container))
    for namespace in of_kind(manifests, "Namespace"):
        if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{named(namespace)}: does not enforce the restricted profile"


def _of_pod(workload: Manifest) -> Iterator[str]:
    spec = pod(workload)
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True:
        yield "may run as root"
    if (security.get("runAsUser"), security.get("runAsGroup"), security.get("fsGroup")) != (USER, USER, USER):
        yield f"user, group and group of files are not {USER}"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has not the seccomp profile RuntimeDefault"
    if beyond := [key for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if spec.get(key)]:
        yield f"takes {', '.join(beyond)}"
    for volume in spec.get("volumes", []):
        if strange := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is {', '.join(sorted(strange))}"
    token = workload["metadata"]["name"] in WITH_TOKEN
    if spec.get("automountServiceAccountToken") is not token:
        yield "lacks the token of its account" if token else "has a token of the API server"
    if spec.get("enableServiceLinks") is not False:
        yield "gets variables of services, of which one is SCRIBE_API_PORT: set enableServiceLinks to false"


def _of_container(container: Manifest) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if security.get("privileged"):
        yield "is privileged"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write into its image"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "takes a port of its node"
