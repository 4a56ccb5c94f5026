"""The rendered manifests of deploy/kubernetes: every overlay, with every GPU and both ways of scaling, and their pods."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.environment import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
NAMESPACE = "scribe-rabbit"
LASTING = ("Deployment", "StatefulSet")
WORKLOADS = (*LASTING, "Job")

Manifest = dict[str, Any]


class NotRendered(Exception):
    """kubectl could not render an overlay; the message is kubectl's."""


@dataclass(frozen=True, slots=True)
class Variant:
    """An overlay, with components exchanged for their alternatives."""

    overlay: str
    instead: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The overlay and what is other than written there, such as `eks: gpus/eks/t4`."""
        others = ", ".join(new for _, new in self.instead)
        return f"{self.overlay}: {others}" if others else self.overlay


def overlays() -> list[str]:
    """The overlays, by the names of their folders."""
    return sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))


def variants() -> list[Variant]:
    """Every overlay as it is, with each other GPU of its cloud, and with the second way of scaling."""
    found = []
    for overlay in overlays():
        found.append(Variant(overlay))
        text = (FOLDER / "overlays" / overlay / "kustomization.yaml").read_text()
        for path in sorted(FOLDER.glob(f"components/gpus/{overlay}/*")):
            chosen = next(name for name in _components(text) if name.startswith(f"gpus/{overlay}/"))
            if (name := f"gpus/{overlay}/{path.name}") != chosen:
                found.append(Variant(overlay, ((chosen, name),)))
        if "keda" in _components(text):
            found.append(Variant(overlay, (("keda", "keda-lag"),)))
    return found


def _components(text: str) -> list[str]:
    """The components that a kustomization names."""
    return [path.removeprefix("../../components/") for path in yaml.safe_load(text).get("components", [])]


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of deploy/kubernetes to change."""
    with tempfile.TemporaryDirectory(prefix="scribe-kubernetes-") as name:
        yield Path(shutil.copytree(FOLDER, Path(name) / "kubernetes"))


def rendered(variant: Variant, folder: Path = FOLDER) -> list[Manifest]:
    """The manifests of a variant; raises NotRendered."""
    if not variant.instead:
        return _rendered(folder / "overlays" / variant.overlay)
    with tempfile.TemporaryDirectory(prefix="scribe-kubernetes-") as name:
        copy = Path(shutil.copytree(folder, Path(name) / "kubernetes"))
        overlay = copy / "overlays" / variant.overlay
        path = overlay / "kustomization.yaml"
        content = yaml.safe_load(path.read_text())
        exchanged = {f"../../components/{old}": f"../../components/{new}" for old, new in variant.instead}
        content["components"] = [exchanged.get(each, each) for each in content["components"]]
        path.write_text(yaml.safe_dump(content))
        return _rendered(overlay)


def _rendered(folder: Path) -> list[Manifest]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRendered(done.stderr.strip())
    return list(yaml.safe_load_all(done.stdout))


def named(manifest: Manifest) -> str:
    """The name of a manifest in findings."""
    return f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """The manifests of some kinds."""
    return [each for each in manifests if each.get("kind") in kinds]


def component(manifest: Manifest) -> str:
    """The process that a workload runs, by its label."""
    return str(manifest["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def template(workload: Manifest) -> Manifest:
    """The template of a workload's pods."""
    return dict(workload["spec"]["template"])


def pod(workload: Manifest) -> Manifest:
    """The specification of a workload's pods."""
    return dict(template(workload)["spec"])


def containers(workload: Manifest) -> list[Manifest]:
    """Every container of a workload's pods, those that run before others as well."""
    spec = pod(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]


def main_container(workload: Manifest) -> Manifest:
    """The container that runs our process."""
    return dict(next(each for each in pod(workload)["containers"] if each["name"] == "scribe"))
