"""The rules of deploy/monitoring as the resource that the Prometheus operator reads: `python -m deploy.kubernetes.rules` writes it."""

from pathlib import Path
from typing import Any

import yaml

from deploy.monitoring.expressions import RULES

TARGET = Path(__file__).parent / "components" / "monitoring" / "rules.yaml"
HEAD = "# Made from deploy/monitoring/rules by `python -m deploy.kubernetes.rules`: change those.\n"


def resource(folder: Path = RULES) -> str:
    """The text of the resource: every group of every file of rules."""
    groups = [group for path in sorted(folder.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    labels = {"app.kubernetes.io/part-of": "scribe-rabbit"}
    content: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "scribe-rabbit", "namespace": "scribe-rabbit", "labels": labels},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    TARGET.write_text(resource())
