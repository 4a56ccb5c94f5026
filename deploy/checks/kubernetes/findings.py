"""All that our own rules find in the manifests of an overlay."""

from collections.abc import Callable, Iterator

from deploy.checks.kubernetes import environment, references, restricted, scaling, workloads
from deploy.checks.kubernetes.manifests import Manifest

RULES: tuple[Callable[[list[Manifest]], Iterator[str]], ...] = (
    restricted.findings,
    references.findings,
    workloads.findings,
    environment.findings,
    scaling.findings,
)


def findings(manifests: list[Manifest]) -> list[str]:
    """Everything that is wrong, a line each."""
    return [text for rule in RULES for text in rule(manifests)]
