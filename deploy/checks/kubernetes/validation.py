"""Validation of manifests against the schemas of several versions of Kubernetes, and ours of custom resources."""

import json
import subprocess
from collections.abc import Mapping

from deploy.checks.kubernetes import validator
from deploy.checks.kubernetes.custom_resources import SCHEMAS
from deploy.checks.kubernetes.manifests import Manifest
from deploy.checks.tools import tools

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))


def mistakes(sets: Mapping[str, list[Manifest]]) -> dict[str, list[str]]:
    """Everything that the schemas refuse, by set of manifests; raises CalledProcessError."""
    asked = {"versions": VERSIONS, "schemas": SCHEMAS, "sets": sets}
    command = [str(tools() / "python"), "-I", validator.__file__]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
