"""Trial of an overlay on a cluster: it is taken as it is, runs, places its GPU pods, and ends pods without work first."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

from deploy.checks.cluster.control_plane import ControlPlane, KubectlFailed
from deploy.checks.cluster.nodes import nodes
from deploy.checks.kubernetes.manifests import LASTING, NAMESPACE, Manifest, Variant, named, of_kind
from schemas.settings.gpu import KubernetesSettings
from schemas.topics import GPU_PARTITIONS
from sink.process.pod_deletion_cost import ANNOTATION, PodDeletionCost

SETTLE_SECONDS = 180
ACCEPTED = ('annotation "kubernetes.io/ingress.class" is deprecated',)
"""Warnings that are as they must be: GKE's own ingress reads the annotation and no class."""
GPU = "app.kubernetes.io/component=gpu"


class Trial:
    """One overlay on a cluster of its own nodes; every method yields what was wrong."""

    def __init__(self, cluster: ControlPlane, variant: Variant, manifests: list[Manifest]) -> None:
        self._cluster = cluster
        self._variant = variant
        self._manifests = manifests

    def run(self) -> Iterator[str]:
        """All steps, one after the other; the namespace is gone afterwards."""
        yield from self.apply()
        yield from self.settle()
        yield from self.place()
        if self._variant.overlay != "local":
            yield from self.scale_in()
        yield from self.own_pod_only()
        yield from self.refuse_root()

    def prepare(self) -> None:
        """Nodes of the overlay's cloud, and no others; raises KubectlFailed."""
        kubectl = self._cluster.kubectl
        kubectl("delete", "nodes", "--all", "--wait=true")
        listed = {
            "apiVersion": "v1",
            "kind": "List",
            "items": [node.manifest() for node in nodes(self._variant.overlay)],
        }
        kubectl("create", "--filename", "-", given=json.dumps(listed))

    def clean(self) -> None:
        """Delete what was applied, and wait until it is gone; raises KubectlFailed."""
        cluster_wide = [each for each in self._manifests if "namespace" not in each["metadata"]]
        text = "\n---\n".join(json.dumps(each) for each in reversed(cluster_wide))
        self._cluster.kubectl("delete", "--ignore-not-found", "--wait=true", "--filename", "-", given=text)

    def apply(self) -> Iterator[str]:
        """The server takes every manifest, strictly, and warns of none."""
        for each in self._secrets():
            yield from self._apply(each)
        for each in sorted(self._manifests, key=lambda manifest: manifest["kind"] != "Namespace"):
            yield from self._apply(each)

    def _apply(self, manifest: Manifest) -> Iterator[str]:
        try:
            _, said = self._cluster.kubectl(
                "apply", "--server-side", "--validate=strict", "--filename", "-", given=json.dumps(manifest)
            )
        except KubectlFailed as error:
            yield f"{named(manifest)}: {error}"
        else:
            warnings = [line for line in said.splitlines() if line.startswith("Warning")]
            yield from (f"{named(manifest)}: {line}" for line in warnings if not any(map(line.__contains__, ACCEPTED)))

    def _secrets(self) -> Iterator[Manifest]:
        """The secrets that External Secrets would make, and the namespace for them."""
        yield from of_kind(self._manifests, "Namespace")
        for each in of_kind(self._manifests, "ExternalSecret"):
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": each["spec"]["target"]["name"], "namespace": NAMESPACE},
                "stringData": {item["secretKey"]: "" for item in each["spec"]["data"]},
            }

    def settle(self) -> Iterator[str]:
        """Every workload has all its pods ready, and every job has ended well."""
        for workload in of_kind(self._manifests, *LASTING, "Job"):
            name = workload["metadata"]["name"]
            if not _within(partial(self._is_settled, workload["kind"], name)):
                yield f"{named(workload)}: has not settled: {self._complaint(name)}"

    def _is_settled(self, kind: str, name: str) -> bool:
        found = self._cluster.read(kind, name, "--namespace", NAMESPACE)
        status = found.get("status", {})
        if kind == "Job":
            return bool(status.get("succeeded"))
        return int(status.get("readyReplicas", 0)) == int(found["spec"]["replicas"]) > 0

    def _complaint(self, name: str) -> str:
        events = self._cluster.read("events", "--namespace", NAMESPACE)["items"]
        about = [
            each["message"]
            for each in events
            if each["involvedObject"]["name"].startswith(name) and each["type"] == "Warning"
        ]
        return "; ".join(dict.fromkeys(about)) or "no event says why"

    def place(self) -> Iterator[str]:
        """Pods of GPUs lie on nodes with theirs, spot ones first; all others on nodes without, apart from each other."""
        if self._variant.overlay != "local":
            yield from self._scale(GPU_PARTITIONS)
        by_node = {
            each["metadata"]["name"]: each["metadata"]["labels"] for each in self._cluster.read("nodes")["items"]
        }
        wanted = self._selector()
        for each in self._pods():
            node, component = each["spec"]["nodeName"], each["metadata"]["labels"]["app.kubernetes.io/component"]
            if component == "gpu" and not wanted.items() <= by_node[node].items():
                yield f"pod {each['metadata']['name']}: lies on {node}, which is not one with {wanted}"
            if component == "gpu" and wanted and "-spot-" not in node:
                yield f"pod {each['metadata']['name']}: lies on {node} although spot nodes have room"
            if component != "gpu" and not node.startswith("plain-"):
                yield f"pod {each['metadata']['name']}: lies on {node}, which has GPUs"
        yield from self._spread()

    def _spread(self) -> Iterator[str]:
        zones: dict[str, list[str]] = {}
        for each in self._pods():
            component = each["metadata"]["labels"]["app.kubernetes.io/component"]
            zones.setdefault(component, []).append(each["spec"]["nodeName"][-1])
        for component, found in zones.items():
            counted = [found.count(zone) for zone in "abc"]
            if max(counted) - min(counted) > 1:
                yield f"{component}: pods over the zones are {counted}"

    def _selector(self) -> dict[str, str]:
        gpu = next(each for each in self._manifests if named(each) == "Deployment scribe-gpu")
        return dict(gpu["spec"]["template"]["spec"].get("nodeSelector", {}))

    def _pods(self, *selector: str) -> list[dict[str, Any]]:
        found = self._cluster.read("pods", "--namespace", NAMESPACE, *selector)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def _gpu_pods(self) -> list[str]:
        return [str(each["metadata"]["name"]) for each in self._pods("--selector", GPU)]

    def _scale(self, number: int) -> Iterator[str]:
        self._cluster.kubectl("scale", "deployment/scribe-gpu", f"--replicas={number}", "--namespace", NAMESPACE)
        if not _within(lambda: self._is_settled("Deployment", "scribe-gpu") and len(self._gpu_pods()) == number):
            yield f"Deployment scribe-gpu: does not come to {number}: {self._complaint('scribe-gpu')}"

    def scale_in(self) -> Iterator[str]:
        """Of twelve pods the four with work stay when eight must go."""
        working = self._gpu_pods()[::3]
        for name in self._gpu_pods():
            cost = "2" if name in working else "0"
            self._cluster.kubectl(
                "annotate", "pod", name, "--namespace", NAMESPACE, "--overwrite", f"{ANNOTATION}={cost}"
            )
        yield from self._scale(len(working))
        if ended := sorted(set(working) - set(self._gpu_pods())):
            yield f"Deployment scribe-gpu: ended pods with work: {', '.join(ended)}"

    def own_pod_only(self) -> Iterator[str]:
        """A GPU process writes the cost of its own pod by its own code, and may write nothing else."""
        own = self._gpu_pods()[0]
        other = next(str(each["metadata"]["name"]) for each in self._pods() if each["metadata"]["name"] != own)
        account = self._cluster.account("scribe-gpu", NAMESPACE, own)
        settings = KubernetesSettings(pod_name=own, kubernetes_url=self._cluster.url, kubernetes_account=account)
        with PodDeletionCost(settings, lambda: 7, write_seconds=1.0):
            if not _within(lambda: self._cost(own) == "7"):
                yield "a GPU process cannot write the deletion cost of its pod"
        for what, pod, metadata in (
            ("the cost of another pod", other, {"annotations": {ANNOTATION: "7"}}),
            ("another annotation", own, {"annotations": {"other": "7"}}),
            ("its labels", own, {"labels": {"egress.scribe-rabbit/postgres": "allow"}}),
        ):
            status = self._cluster.patch_pod(account, NAMESPACE, pod, {"metadata": metadata})
            if status not in (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY):
                yield f"a GPU process may write {what}: {status}"

    def _cost(self, pod: str) -> str:
        found = self._cluster.read("pod", pod, "--namespace", NAMESPACE)
        return str(found["metadata"].get("annotations", {}).get(ANNOTATION, ""))

    def refuse_root(self) -> Iterator[str]:
        """The namespace refuses a pod that is less than restricted."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "root", "namespace": NAMESPACE},
            "spec": {"containers": [{"name": "root", "image": "root"}]},
        }
        try:
            self._cluster.kubectl("create", "--filename", "-", given=json.dumps(pod))
        except KubectlFailed as error:
            if "PodSecurity" not in str(error):
                yield f"a pod that may be root is refused for another reason: {error}"
        else:
            yield "a pod that may be root is taken"


def _within(done: Callable[[], bool]) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
