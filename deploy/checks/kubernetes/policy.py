"""Checkov over the manifests: its findings, but those that are as they must be, each with its reason."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.checks import checkov
from deploy.checks.kubernetes.manifests import Manifest

ACCEPTED: Mapping[str, str] = {
    "CKV_K8S_11": "A limit of processor time throttles a pod whose node is idle; requests share what there is.",
    "CKV_K8S_43": "A digest is known when images are built: README.md says how an overlay names it.",
    "CKV_K8S_15": "IfNotPresent: a tag of a release is never pushed twice, and a pod starts while the registry is away.",
    "CKV_K8S_35": "The processes read their settings from the environment; a change of one is a new pod anyway.",
    "CKV_K8S_38": "Only the GPU consumers have a token: they write the deletion cost of their own pod with it.",
}
"""Checks that are not kept, with the reason."""


def findings(manifests: list[Manifest]) -> Iterator[str]:
    """Findings of checkov beyond those accepted, and checks accepted for nothing; raises CheckovFailed."""
    found = _failed(manifests)
    for each in found:
        if each["check_id"] not in ACCEPTED:
            yield f"checkov {each['check_id']}: {each['resource']}: {each['check_name']}"
    needless = ACCEPTED.keys() - {each["check_id"] for each in found}
    yield from (f"checkov {name}: is accepted although it finds nothing" for name in sorted(needless))


def _failed(manifests: list[Manifest]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="scribe-checkov-") as name:
        path = Path(name) / "manifests.yaml"
        path.write_text(yaml.safe_dump_all(manifests))
        return list(checkov.report("kubernetes", "--file", str(path))["results"]["failed_checks"])
