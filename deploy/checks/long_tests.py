"""Tests that take minutes each: the whole service over TLS and rights, three brokers, upgrades, a restore."""

import subprocess
import sys
from collections.abc import Sequence

from deploy.checks.check import Check
from deploy.environment import ROOT


def lacking() -> str | None:
    """The reason why they cannot run here: there is none, they start what they need."""
    return None


def run() -> Sequence[str]:
    """Run them with their output on the terminal; one finding when any of them failed."""
    command = [sys.executable, "-m", "pytest", "-m", "long", "--hypothesis-profile=repeatable", "tests"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return [] if code == 0 else [f"pytest ended with {code}; see above"]


CHECK = Check("long-tests", "tests that take minutes each, marked `long`", lacking, run)
