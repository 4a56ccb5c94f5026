"""Scaling of the GPU processes with the work: within the partitions, by metrics that exist, slowly down."""

import re
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from deploy.checks.kubernetes.manifests import Manifest, component, named, of_kind, pod
from deploy.checks.kubernetes.processes import CHECKPOINT_SECONDS
from deploy.checks.kubernetes.workloads import setting
from schemas import metrics
from schemas.topics import DIARIZERS, GPU_PARTITIONS, TRANSCRIBERS

LOADING_SECONDS = 600
"""Longer than a model takes to load: whoever ended before would be started again for the next job."""


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Everything that would make the scaling wrong."""
    scaled = of_kind(manifests, "ScaledObject")
    for each in scaled:
        yield from (f"{named(each)}: {text}" for text in _of_object(each))
        yield from (f"{named(each)}: {text}" for trigger in each["spec"]["triggers"] for text in _of_trigger(trigger))
    for workload in of_kind(manifests, "Deployment"):
        if component(workload) == "gpu":
            yield from (f"{named(workload)}: {text}" for text in _of_workload(workload, manifests, bool(scaled)))


def _of_object(scaled: Manifest) -> Iterator[str]:
    spec = scaled["spec"]
    if spec.get("maxReplicaCount") != GPU_PARTITIONS:
        yield f"allows {spec.get('maxReplicaCount')} processes for {GPU_PARTITIONS} partitions"
    if spec.get("minReplicaCount") != 0:
        yield "never comes to nothing"
    if spec.get("cooldownPeriod", 300) < LOADING_SECONDS:
        yield f"ends the last process within {LOADING_SECONDS} s of its last job"
    down = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {}).get("scaleDown", {})
    if down.get("stabilizationWindowSeconds", 0) < LOADING_SECONDS:
        yield f"scales in before {LOADING_SECONDS} s have shown that fewer do"
    if [(each["type"], each["value"]) for each in down.get("policies", [])] != [("Pods", 1)]:
        yield "scales in by more than one pod at a time"
    if spec.get("fallback", {}).get("behavior") != "currentReplicasIfHigher":
        yield "ends processes when it cannot see the work"


def _of_trigger(trigger: Manifest) -> Iterator[str]:
    metadata = trigger["metadata"]
    if trigger["type"] == "prometheus":
        known = {each._name for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)}
        used = set(re.findall(rf"\b{metrics.P}\w+", metadata["query"]))
        yield from (f"asks for {name}, which no process has" for name in sorted(used - known))
        if not used:
            yield "asks for no metric of ours"
        if metadata.get("ignoreNullValues") != "false":
            yield "takes a missing metric for no work"
    elif trigger["type"] == "kafka":
        if metadata["consumerGroup"] not in (TRANSCRIBERS, DIARIZERS):
            yield f"looks at the group {metadata['consumerGroup']}, which no GPU process has"
        if metadata.get("excludePersistentLag") != "false":
            yield "takes partitions with a long job for idle ones"
        if metadata.get("offsetResetPolicy") != "earliest":
            yield "does not count a partition without offsets as its consumers do"
    else:
        yield f"knows no trigger {trigger['type']}"


def _of_workload(workload: Manifest, manifests: list[Manifest], scaled: bool) -> Iterator[str]:
    if scaled and "replicas" in workload["spec"]:
        yield "names a number of replicas, which would undo the autoscaler's at every apply"
    checkpoint = float(setting(workload, manifests, "SCRIBE_CHECKPOINT_SECONDS") or CHECKPOINT_SECONDS)
    if (grace := pod(workload)["terminationGracePeriodSeconds"]) <= checkpoint:
        yield f"is killed after {grace} s, before the next checkpoint after {checkpoint:g} s of audio"
