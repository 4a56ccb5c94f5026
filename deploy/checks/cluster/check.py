"""`deploy/check kwok`: every overlay applied to a real API server with simulated nodes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.checks import tools
from deploy.checks.check import Check
from deploy.checks.cluster import building
from deploy.checks.cluster.building import BuildFailed
from deploy.checks.cluster.control_plane import ControlPlane, KubectlFailed
from deploy.checks.cluster.trials import Trial
from deploy.checks.kubernetes.manifests import NotRendered, Variant, rendered, variants
from deploy.local.errors import StartFailed


def lacking() -> str | None:
    """The reason why it cannot run here."""
    return tools.without("kubectl", "renders and applies the overlays") or building.lacking()


def run() -> list[str]:
    """Everything that an overlay does other than it must."""
    try:
        programs, definitions = building.programs(), building.definitions()
        with (
            tempfile.TemporaryDirectory(prefix="scribe-cluster-") as folder,
            ControlPlane(programs, Path(folder)) as cluster,
        ):
            print(f"Kubernetes {building.kubernetes_version()} with simulated nodes")
            for path in definitions:
                cluster.kubectl("apply", "--server-side", "--filename", str(path))
            cluster.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=60s")
            return [text for variant in variants() for text in _tried(cluster, variant)]
    except (BuildFailed, StartFailed, KubectlFailed) as error:
        return [str(error)]


def _tried(cluster: ControlPlane, variant: Variant) -> Iterator[str]:
    print(variant.name)
    try:
        trial = Trial(cluster, variant, rendered(variant))
        trial.prepare()
        try:
            yield from (f"{variant.name}: {text}" for text in trial.run())
        finally:
            trial.clean()
    except (NotRendered, KubectlFailed) as error:
        yield f"{variant.name}: {error}"


CHECK = Check("kwok", "Every overlay runs on a real API server with simulated GPU nodes", lacking, run)
