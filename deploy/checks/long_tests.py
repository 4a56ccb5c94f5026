"""Tests that take longest: the whole service over TLS and rights, three brokers, upgrades, a restore, real models."""

import subprocess
import sys
from collections.abc import Sequence

from deploy.checks.check import Check
from deploy.environment import ROOT
from deploy.real_models import fetched_meanwhile


def lacking() -> str | None:
    """The reason why they cannot run here: there is none, they start what they need."""
    return None


def run() -> Sequence[str]:
    """Run them with their output on the terminal; one finding when any of them failed."""
    with fetched_meanwhile() as problem:
        if reason := problem():
            print(f"The real models are not here, tests that want them are skipped: {reason}")
    command = [sys.executable, "-m", "pytest", "-m", "long", "--hypothesis-profile=repeatable", "tests"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return [] if code == 0 else [f"pytest ended with {code}; see above"]


CHECK = Check("long-tests", "tests that take longest, marked `long`", lacking, run)
