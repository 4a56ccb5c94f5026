"""`deploy/check kubernetes`: every overlay rendered, valid, by our rules and checkov's, and planted mistakes all found."""

import subprocess
from collections.abc import Iterator

from deploy.checks import tools
from deploy.checks.check import Check
from deploy.checks.checkov import CheckovFailed
from deploy.checks.kubernetes import policy
from deploy.checks.kubernetes.findings import findings
from deploy.checks.kubernetes.manifests import Manifest, NotRendered, overlays, rendered, variants
from deploy.checks.kubernetes.typos import TYPOS, unseen
from deploy.checks.kubernetes.validation import VERSIONS, mistakes


def lacking() -> str | None:
    """The reason why it cannot run here."""
    return tools.without("kubectl", "renders the overlays of deploy/kubernetes")


def run() -> list[str]:
    """Everything that is wrong."""
    sets: dict[str, list[Manifest]] = {}
    try:
        for variant in variants():
            sets[variant.name] = rendered(variant)
    except NotRendered as error:
        return [f"{variant.name}: {error}"]
    print(f"{len(sets)} variants of the overlays, against Kubernetes {', '.join(VERSIONS)}")
    try:
        return [*_of_manifests(sets), *_of_checkov(sets), *_of_typos()]
    except CheckovFailed as error:
        return [str(error)]
    except subprocess.CalledProcessError as error:
        return [f"{error.cmd[0]} failed: {error.stderr.strip()[-2000:]}"]


def _of_manifests(sets: dict[str, list[Manifest]]) -> Iterator[str]:
    refused = mistakes(sets)
    for name, manifests in sets.items():
        found = refused[name] or findings(manifests)  # our rules read only what the schemas take
        yield from (f"{name}: {text}" for text in found)


def _of_checkov(sets: dict[str, list[Manifest]]) -> Iterator[str]:
    print("checkov")
    every = [manifest for name in overlays() for manifest in sets[name]]
    yield from sorted(set(policy.findings(every)))


def _of_typos() -> Iterator[str]:
    print(f"{len(TYPOS)} planted mistakes")
    yield from (f"nobody sees {name}" for name in unseen(mistakes))


CHECK = Check(
    "kubernetes",
    "The manifests of deploy/kubernetes are valid, restricted, complete and in step with the code",
    lacking,
    run,
)
