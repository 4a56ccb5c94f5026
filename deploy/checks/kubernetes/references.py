"""Names in manifests that must lead somewhere: maps, secrets, accounts, volumes, ports, selectors, targets."""

from collections.abc import Iterable, Iterator

from deploy.checks.kubernetes.manifests import (
    LASTING,
    NAMESPACE,
    WORKLOADS,
    Manifest,
    containers,
    named,
    of_kind,
    pod,
    template,
)

CLUSTER_WIDE = ("Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
OPTIONAL_SECRETS = frozenset({"scribe-keda"})
"""Secrets that README.md tells operators to make by hand."""


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Every name that leads nowhere."""
    for workload in of_kind(manifests, *WORKLOADS):
        yield from (f"{named(workload)}: {text}" for text in _of_workload(workload, manifests))
    for manifest in manifests:
        yield from (f"{named(manifest)}: {text}" for text in _of_selectors(manifest, manifests))
        wanted = None if manifest["kind"] in CLUSTER_WIDE else NAMESPACE
        if (found := manifest["metadata"].get("namespace")) != wanted:
            yield f"{named(manifest)}: is in the namespace {found}, not {wanted}"


def secrets(manifests: list[Manifest]) -> dict[str, set[str]]:
    """The keys of every secret, of those that External Secrets makes as well."""
    found = {each["metadata"]["name"]: set(each.get("data", {})) for each in of_kind(manifests, "Secret")}
    for each in of_kind(manifests, "ExternalSecret"):
        found[each["spec"]["target"]["name"]] = {item["secretKey"] for item in each["spec"]["data"]}
    return found


def maps(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """The values of every configuration map."""
    return {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(manifests, "ConfigMap")}


def _names(manifests: list[Manifest], kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in of_kind(manifests, kind)}


def _of_workload(workload: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    spec = pod(workload)
    yield from _missing("account", [spec.get("serviceAccountName", "")], _names(manifests, "ServiceAccount"))
    if workload["kind"] == "StatefulSet":
        yield from _missing("service", [workload["spec"].get("serviceName", "")], _names(manifests, "Service"))
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for container in containers(workload):
        sources = container.get("envFrom", [])
        yield from _missing("map", _sources(sources, "configMapRef"), maps(manifests))
        yield from _missing("secret", _sources(sources, "secretRef"), secrets(manifests))
        yield from _missing("volume", [each["name"] for each in container.get("volumeMounts", [])], volumes)
        yield from _probes(container)
    labels = template(workload)["metadata"]["labels"]
    selector = workload["spec"].get("selector", {}).get("matchLabels", {})
    if not selector.items() <= labels.items():
        yield "does not select its own pods"


def _sources(sources: list[Manifest], kind: str) -> list[str]:
    return [source[kind]["name"] for source in sources if kind in source and not source[kind].get("optional")]


def _missing(kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    yield from (f"names the {kind} '{name}', which is not there" for name in sorted(set(names) - set(known)))


def _probes(container: Manifest) -> Iterator[str]:
    ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container.get(probe, {}).get("httpGet", {}).get("port", "http")
        if probe in container and port not in ports:
            yield f"{probe} asks the port '{port}', which is not there"


def _of_selectors(manifest: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    labels = [template(each)["metadata"]["labels"] for each in of_kind(manifests, *WORKLOADS)]
    spec, kind = manifest.get("spec", {}), manifest["kind"]
    if kind == "Service":
        yield from _selects(spec.get("selector", {}), labels)
    elif kind == "PodDisruptionBudget":
        yield from _selects(spec["selector"]["matchLabels"], labels)
    elif kind == "NetworkPolicy":
        yield from _selects(spec["podSelector"].get("matchLabels", {}), labels)
    elif kind == "PodMonitor":
        yield from _selects(spec["selector"]["matchLabels"], labels)
    elif kind == "ServiceMonitor":
        yield from _selects(
            spec["selector"]["matchLabels"],
            [each["metadata"].get("labels", {}) for each in of_kind(manifests, "Service")],
        )
    elif kind == "ScaledObject":
        target = spec["scaleTargetRef"]
        if (target["kind"], target["name"]) not in {
            (each["kind"], each["metadata"]["name"]) for each in of_kind(manifests, *LASTING)
        }:
            yield f"scales {target['kind']} {target['name']}, which is not there"
    elif kind == "ExternalSecret":
        yield from _missing("store", [spec["secretStoreRef"]["name"]], _names(manifests, "SecretStore"))
    elif kind == "TriggerAuthentication":
        named_secrets = [each["name"] for each in spec["secretTargetRef"]]
        yield from _missing("secret", named_secrets, {*secrets(manifests), *OPTIONAL_SECRETS})
    elif kind == "Ingress":
        services = [path["backend"]["service"]["name"] for rule in spec["rules"] for path in rule["http"]["paths"]]
        yield from _missing("service", services, _names(manifests, "Service"))


def _selects(selector: dict[str, str], labels: list[dict[str, str]]) -> Iterator[str]:
    if not any(selector.items() <= each.items() for each in labels):
        yield f"selects {selector}, which nothing has"
