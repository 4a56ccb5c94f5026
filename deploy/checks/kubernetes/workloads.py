"""Rules for workloads: command, image, probes, resources, disruption budget, spread, grace period, network."""

import re
from collections.abc import Iterator

from deploy.checks.kubernetes.manifests import (
    LASTING,
    WORKLOADS,
    Manifest,
    component,
    containers,
    main_container,
    named,
    of_kind,
    pod,
    template,
)
from deploy.checks.kubernetes.processes import ALL, JOBS, MODELS, PROCESSES
from deploy.checks.kubernetes.references import maps

SPARE_SECONDS = 5.0
"""Beyond what a process may take to end, before the kubelet kills it."""
REACHES = "egress.scribe-rabbit/"
SPREAD = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
PORTS = {"api": 8000}
PORT = 9100


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Everything that workloads lack, and workloads that are lacking."""
    lasting = {component(each) for each in of_kind(manifests, *LASTING)}
    jobs = {component(each) for each in of_kind(manifests, "Job")}
    yield from (f"{name}: is not deployed" for name in sorted({*PROCESSES} - lasting | {*JOBS} - jobs))
    for workload in of_kind(manifests, *WORKLOADS):
        name, process = named(workload), component(workload)
        if process not in ALL:
            yield f"{name}: '{process}' is no process of ours"
            continue
        yield from (f"{name}: {text}" for text in _of_every(workload))
        if workload["kind"] in LASTING:
            yield from (f"{name}: {text}" for text in _of_lasting(workload, manifests))


def _of_every(workload: Manifest) -> Iterator[str]:
    process, container = ALL[component(workload)], main_container(workload)
    commands = {"scribe": process, "models": MODELS}
    for each in containers(workload):
        wanted = commands[each["name"]]
        if tuple(each.get("command", ())) != wanted.command:
            yield f"container {each['name']} runs {each.get('command')}, not {' '.join(wanted.command)}"
        if not runs(str(each["image"]), wanted.image):
            yield f"container {each['name']} runs {each['image']}, which is not the image {wanted.image}"
        yield from (f"container {each['name']} {text}" for text in _resources(each))
    labels = template(workload)["metadata"]["labels"]
    reached = {
        key.removeprefix(REACHES) for key, value in labels.items() if key.startswith(REACHES) and value == "allow"
    }
    if reached != process.reaches:
        yield f"may reach {', '.join(sorted(reached))}; it needs {', '.join(sorted(process.reaches))}"
    if workload["kind"] == "Job":
        if pod(workload).get("restartPolicy") not in ("OnFailure", "Never"):
            yield "would be started again after it has ended well"
        if "livenessProbe" in container:
            yield "is probed although it ends"


def runs(image: str, wanted: str) -> bool:
    """Whether an image is the wanted one, of whatever registry, by tag or digest; without both it would be the latest."""
    found = re.fullmatch(r"(?:.*/)?(?:scribe-rabbit-)?(\w+)(?:(?::[\w.-]+)?@sha256:[0-9a-f]{64}|:[\w.-]+)", image)
    return found is not None and found[1] == wanted and not image.endswith(":latest")


def _resources(container: Manifest) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if missing := {"cpu", "memory", "ephemeral-storage"} - requests.keys():
        yield f"asks for no {', '.join(sorted(missing))}"
    if missing := {"memory", "ephemeral-storage"} - limits.keys():
        yield f"has no limit of {', '.join(sorted(missing))}"
    if requests.get("nvidia.com/gpu") != limits.get("nvidia.com/gpu"):
        yield "asks for other GPUs than it may have"


def _of_lasting(workload: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    process, container, spec = component(workload), main_container(workload), pod(workload)
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        if container.get(probe, {}).get("httpGet") != {"path": path, "port": "http"}:
            yield f"has no {probe} that asks {path}"
    port = {each["name"]: each["containerPort"] for each in container.get("ports", [])}.get("http")
    if port != PORTS.get(process, PORT):
        yield f"serves probes on {port}, not {PORTS.get(process, PORT)}"
    constraints = spec.get("topologySpreadConstraints", [])
    if strange := {each["whenUnsatisfiable"] for each in constraints} - {"DoNotSchedule", "ScheduleAnyway"}:
        yield f"knows no whenUnsatisfiable {', '.join(sorted(strange))}"
    spread = {each["topologyKey"] for each in constraints}
    if missing := set(SPREAD) - spread:
        yield f"is not spread over {', '.join(sorted(missing))}"
    budgets = [each["spec"]["selector"]["matchLabels"] for each in of_kind(manifests, "PodDisruptionBudget")]
    labels = template(workload)["metadata"]["labels"]
    if sum(budget.items() <= labels.items() for budget in budgets) != 1:
        yield "has not exactly one disruption budget"
    needed = stop_seconds(workload, manifests) + SPARE_SECONDS
    if (grace := spec.get("terminationGracePeriodSeconds", 30)) < needed:
        yield f"is killed after {grace} s; it may take {needed:g} s to end"


def stop_seconds(workload: Manifest, manifests: list[Manifest]) -> float:
    """The seconds that a process may take to end by itself, with the settings that it gets."""
    process = component(workload)
    seconds = PROCESSES[process].stop_seconds
    return seconds + float(setting(workload, manifests, "SCRIBE_DRAIN_SECONDS")) if process == "gpu" else seconds


def setting(workload: Manifest, manifests: list[Manifest], variable: str) -> str:
    """The value of a variable in the maps of a workload; empty when none sets it."""
    names = [each["configMapRef"]["name"] for each in main_container(workload)["envFrom"] if "configMapRef" in each]
    found = maps(manifests)
    return next((found[name][variable] for name in names if variable in found.get(name, {})), "")
