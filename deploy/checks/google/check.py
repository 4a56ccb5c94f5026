"""The check of deploy/gcp: provider schema, planted typos, properties with planted breaches, Terraform itself and checkov."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.checks import checkov
from deploy.checks.check import Check
from deploy.checks.checkov import CheckovFailed
from deploy.checks.google import access, compute, stores
from deploy.checks.google.linter import lint
from deploy.checks.google.modules import texts_below, tree_of
from deploy.checks.google.properties import Property, broken
from deploy.checks.google.schema import PACKAGE, GoogleSchema
from deploy.checks.google.typos import TYPOS, survivors
from deploy.checks.hcl.blocks import HclError
from deploy.checks.tools import run, tools, without
from deploy.environment import ROOT
from deploy.gcp.data import outdated

FOLDER = ROOT / "deploy" / "gcp"
PROPERTIES: tuple[Property, ...] = (*access.PROPERTIES, *stores.PROPERTIES, *compute.PROPERTIES)
# no file of somebody's home decides where providers come from
_OWN = {"TF_CLI_CONFIG_FILE": "/dev/null", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def findings() -> Sequence[str]:
    """Everything wrong with deploy/gcp, a line each."""
    texts = texts_below(FOLDER)
    try:
        tree_of(texts)
    except HclError as error:
        return [str(error)]
    schema, functions = schema_of(tools()), _functions()
    found = [f"{path.relative_to(FOLDER)} is not as the code has it: python -m deploy.gcp.data" for path in outdated()]
    found += lint(tree_of(texts), schema, functions)
    print(f"schema: {len(tree_of(texts).resources())} resources, arguments and references looked at", flush=True)
    found += survivors(texts, schema, functions)
    print(f"typos: {len(TYPOS)} planted", flush=True)
    found += broken(texts, PROPERTIES)
    print(f"properties: {len(PROPERTIES)} hold, {len(PROPERTIES)} breaches planted", flush=True)
    return [*found, *_terraform(), *_checkov()]


def schema_of(programs: Path) -> GoogleSchema:
    """The provider's schema in the tools' environment."""
    return GoogleSchema(next(programs.parent.glob(f"lib/python*/site-packages/{PACKAGE}")))


def _functions() -> frozenset[str]:
    described = run(["terraform", "metadata", "functions", "-json"], environment=_OWN)
    return frozenset(json.loads(described.stdout)["function_signatures"])


def _terraform() -> Iterator[str]:
    """The form of all files, and the tests of the module that needs no provider."""
    formatted = run(["terraform", "fmt", "-check", "-recursive", FOLDER], environment=_OWN)
    yield from (f"terraform fmt {line.strip()}" for line in formatted.stdout.splitlines())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(FOLDER / "modules" / "settings", Path(folder) / "settings"))
        for command in (("init", "-backend=false", "-no-color"), ("test", "-no-color")):
            ended = run(["terraform", *command], folder=copy, environment=_OWN)
            if ended.returncode:
                yield f"terraform {command[0]} of modules/settings: {ended.stdout}{ended.stderr}"
                return
    print(ended.stdout.strip().splitlines()[-1], flush=True)


def _checkov() -> Iterator[str]:
    """Findings of checkov that no comment explains."""
    try:
        report = checkov.report("terraform", "-d", ".", folder=FOLDER)
    except CheckovFailed as error:
        yield str(error)
        return
    for failed in report["results"]["failed_checks"]:
        yield f"checkov {failed['check_id']} {failed['check_name']}: {failed['resource']}"
    summary = report["summary"]
    print(f"checkov: {summary['passed']} passed, {summary['skipped']} explained", flush=True)


GCP = Check(
    "gcp",
    "Terraform for Google Cloud: provider schema, planted typos, security properties, terraform fmt and test, checkov",
    lambda: without("terraform", "formats the files and tests the module of settings"),
    findings,
)
