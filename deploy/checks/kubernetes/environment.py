"""The environment of each process in a cluster: exactly the settings that its code reads, secrets apart from the rest."""

from collections.abc import Iterator

from deploy.checks.kubernetes.manifests import WORKLOADS, Manifest, component, containers, named, of_kind
from deploy.checks.kubernetes.processes import ALL, MODELS
from deploy.checks.kubernetes.references import maps, secrets
from deploy.kubernetes.settings import CONCERNS, read_here, secret_variables

BESIDE = {"models": frozenset({"HF_TOKEN"})}
"""Variables of libraries, by container."""


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Variables that a process lacks, that it does not read, and secrets that lie open."""
    for workload in of_kind(manifests, *WORKLOADS):
        if component(workload) in ALL:
            for container in containers(workload):
                yield from (f"{named(workload)}: {text}" for text in _of_container(workload, container, manifests))
    for name, values in maps(manifests).items():
        if lying_open := values.keys() & secret_variables():
            yield f"ConfigMap {name}: holds {', '.join(sorted(lying_open))}, which are secrets"
    read = {name for process in ALL.values() for name in read_here(process.settings)}
    all_settings = {name for cls in CONCERNS for name in read_here(cls)}
    yield from (f"{name}: no process gets it" for name in sorted(all_settings - read))


def _of_container(workload: Manifest, container: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    process = MODELS if container["name"] == "models" else ALL[component(workload)]
    given = list(variables(container, manifests))
    needed = read_here(process.settings) | BESIDE.get(container["name"], frozenset())
    for text, names in (
        ("lacks", needed - set(given)),
        ("gets what it does not read:", set(given) - needed),
        ("gets twice", {name for name in given if given.count(name) > 1}),
    ):
        if names:
            yield f"container {container['name']} {text} {', '.join(sorted(names))}"


def variables(container: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    """The names of all variables of a container, each as often as it is given."""
    known_maps, known_secrets = maps(manifests), secrets(manifests)
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            yield from known_maps.get(source["configMapRef"]["name"], {})
        else:
            yield from known_secrets.get(source["secretRef"]["name"], set())
    yield from (each["name"] for each in container.get("env", []))
