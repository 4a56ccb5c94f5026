"""The programs of a cluster, built from Go modules whose versions and hashes go.mod and go.sum hold, once for all."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from deploy.environment import CACHE

MODULE = Path(__file__).parent
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "server")
"""As Go names them; `server` is etcd's."""
STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
    "pod/fast/pod-ready",
)
VERSION = "k8s.io/component-base/version"


class BuildFailed(Exception):
    """A program could not be built, or a module not be fetched; the message says why."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Files with definitions of custom resources in a Go module, pinned by the module's hash."""

    module: str
    sum: str
    files: tuple[str, ...]


DEFINITIONS = (
    Definitions(
        "github.com/kedacore/keda/v2@v2.21.0",
        "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
        (
            "config/crd/bases/keda.sh_scaledobjects.yaml",
            "config/crd/bases/keda.sh_triggerauthentications.yaml",
        ),
    ),
    Definitions(
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ),
    ),
    Definitions(
        "github.com/external-secrets/external-secrets@v1.3.2",
        "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
        (
            "config/crds/bases/external-secrets.io_externalsecrets.yaml",
            "config/crds/bases/external-secrets.io_secretstores.yaml",
        ),
    ),
)


def lacking() -> str | None:
    """The reason why the programs cannot be built here, or None."""
    if (go := shutil.which("go")) is None:
        return "no Go, which builds the API server"
    output = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    wanted, found = _version(r"^go (\S+)", (MODULE / "go.mod").read_text()), _version(r"go(\d+\.\d+)", output)
    if [int(part) for part in found.split(".")[:2]] < [int(part) for part in wanted.split(".")[:2]]:
        return f"Go {found}; {wanted} builds the API server"
    return None


def kubernetes_version() -> str:
    """The version of Kubernetes that go.mod names."""
    return _version(r"k8s\.io/kubernetes v(\S+)", (MODULE / "go.mod").read_text())


def _version(pattern: str, text: str) -> str:
    return str(re.findall(pattern, text, re.MULTILINE)[0])


def programs() -> Path:
    """The folder with the programs, built on the first call (many minutes); raises BuildFailed."""
    digest = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:12]
    folder = CACHE / f"cluster-{digest}"
    CACHE.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            print(
                "building etcd, Kubernetes and KWOK from their Go modules; later runs find them built", file=sys.stderr
            )
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            version = kubernetes_version()
            major, minor, _ = version.split(".", 2)
            flags = " ".join(
                (
                    "-s -w",
                    f"-X {VERSION}.gitVersion=v{version}",
                    f"-X {VERSION}.gitMajor={major}",
                    f"-X {VERSION}.gitMinor={minor}",
                )
            )
            _go("build", "-trimpath", f"-ldflags={flags}", "-o", f"{part}/", "tool")
            part.replace(folder)
    return folder


def definitions() -> list[Path]:
    """The files with definitions of custom resources; raises BuildFailed."""
    found = []
    for each in DEFINITIONS:
        report = json.loads(_go("mod", "download", "-json", each.module, folder=CACHE))
        if report.get("Sum") != each.sum:
            raise BuildFailed(f"{each.module} has the hash {report.get('Sum')}, not {each.sum}")
        found += [Path(report["Dir"]) / name for name in each.files]
    return found


def stages() -> list[Path]:
    """The rules of KWOK for how simulated nodes and pods live; raises BuildFailed."""
    root = Path(_go("list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok").strip()) / "kustomize" / "stage"
    return [root / f"{name}.yaml" for name in STAGES]


def _go(*arguments: str, folder: Path = MODULE, environment: Mapping[str, str] | None = None) -> str:
    own = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0", "GOFLAGS": "", **(environment or {})}
    command = ["nice", "-n", "15", "go", *arguments]
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(f"go {arguments[0]}: {done.stderr.strip()[-2000:]}")
    return done.stdout
