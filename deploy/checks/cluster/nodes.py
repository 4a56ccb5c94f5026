"""Simulated nodes: for processes in three zones, and for each GPU of each cloud, on demand and spot, as the clouds label them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ZONES = ("a", "b", "c")
GPUS = 4
"""GPUs of each node that has some."""
SPOT = {
    "eks": ("karpenter.sh/capacity-type", "spot", "on-demand"),
    "gke": ("cloud.google.com/gke-spot", "true", None),
}
"""The label of spot nodes, its value there, and its value on others."""
NAMES = {
    "eks": ("karpenter.k8s.aws/instance-gpu-name", {"t4": "t4", "l4": "l4", "a10g": "a10g", "a100": "a100"}),
    "gke": (
        "cloud.google.com/gke-accelerator",
        {"t4": "nvidia-tesla-t4", "l4": "nvidia-l4", "a100": "nvidia-tesla-a100"},
    ),
}
"""The label of GPUs, and its values by the names of our components."""


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """A node as KWOK keeps it alive; no kubelet runs anything on it."""

    name: str
    labels: dict[str, str]
    gpus: int = 0
    taints: list[dict[str, str]] = field(default_factory=list)

    def manifest(self) -> dict[str, Any]:
        """The node as the API server takes it, with what it has room for."""
        room = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1000Gi", "pods": "200"}
        if self.gpus:
            room["nvidia.com/gpu"] = str(self.gpus)
        system = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": system | self.labels},
            "spec": {"taints": self.taints},
            "status": {"allocatable": room, "capacity": room},
        }


def nodes(cloud: str) -> Iterator[SimulatedNode]:
    """The nodes of a cluster of one cloud; the local one has no GPU."""
    for zone in ZONES:
        yield SimulatedNode(f"plain-{zone}", {"topology.kubernetes.io/zone": zone})
    if cloud not in NAMES:
        return
    label, gpus = NAMES[cloud]
    spot, yes, no = SPOT[cloud]
    for gpu, value in gpus.items():
        for kind in ("spot", "kept"):
            for zone in ZONES:
                labels = {label: value, "topology.kubernetes.io/zone": zone}
                labels |= {spot: yes} if kind == "spot" else {spot: no} if no else {}
                taints = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
                if kind == "spot" and cloud == "gke":
                    taints.append({"key": spot, "value": yes, "effect": "NoSchedule"})
                yield SimulatedNode(f"{gpu}-{kind}-{zone}", labels, GPUS, taints)
