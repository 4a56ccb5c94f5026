"""Terraform in a copy of deploy/aws, with providers from this machine alone and without any credentials."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from deploy.checks import tools
from deploy.environment import ROOT

SOURCE = ROOT / "deploy" / "aws"
PROVIDER = Path("registry.terraform.io/hashicorp/aws")
VARIABLE = "TERRAFORM_PLUGIN_DIR"
# where Terraform itself looks for providers before it asks a registry
OWN_FOLDERS = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
)


def mirror() -> Path | None:
    """The folder with the AWS provider: the one that the variable names, or one of Terraform's own; None without any."""
    named = os.environ.get(VARIABLE)
    folders = [Path(named)] if named else [Path(folder).expanduser() for folder in OWN_FOLDERS]
    return next((folder for folder in folders if (folder / PROVIDER).is_dir()), None)


def lacking() -> str | None:
    """The reason why Terraform cannot run here with the AWS provider, or None."""
    if reason := tools.without("terraform", "validates and tests the modules"):
        return reason
    if mirror() is None:
        return f"no AWS provider: {VARIABLE} names a mirror of providers, else Terraform's own plugin folders are looked into"
    return None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A copy of deploy/aws in which Terraform may write its own folders."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Workspace":
        """Copy the modules below a folder."""
        copied = folder / "aws"
        shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns(".terraform*"))
        (folder / "terraform.rc").touch()
        return cls(copied)

    def run(self, *arguments: str, below: str = ".") -> CompletedProcess[str]:
        """Run Terraform in the copy, or in a folder below it; whatever its exit status."""
        environment = {
            "TF_CLI_CONFIG_FILE": str(self.folder.parent / "terraform.rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return tools.run(("terraform", *arguments), folder=self.folder / below, environment=environment)

    def init(self, below: str = ".") -> str | None:
        """Prepare a root module; what is wrong, None when all is right."""
        done = self.run("init", "-backend=false", "-no-color", "-input=false", f"-plugin-dir={mirror()}", below=below)
        return None if done.returncode == 0 else f"{below}: terraform init: {done.stderr}"

    def mistakes(self, below: str = ".") -> Iterator[str]:
        """The findings of `terraform validate` in a root module, a line each."""
        for each in self._diagnostics(below):
            file, line = _place(each)
            yield f"{below}: {file}:{line}: {each['summary']}: {each.get('detail', '')}".replace("\n", " ")

    def places(self) -> Iterator[tuple[str, int]]:
        """Files and lines in which `terraform validate` sees a mistake."""
        return map(_place, self._diagnostics("."))

    def _diagnostics(self, below: str) -> list[dict[str, Any]]:
        done = self.run("validate", "-json", below=below)
        return list(json.loads(done.stdout)["diagnostics"])


def _place(diagnostic: Mapping[str, Any]) -> tuple[str, int]:
    found = diagnostic.get("range", {})
    return found.get("filename", ""), found.get("start", {}).get("line", 0)


@dataclass(frozen=True, slots=True)
class TestedRuns:
    """The results of `terraform test`: each run with its status, what was said of failures, and outputs of plans."""

    statuses: Mapping[tuple[str, str], str]
    failures: tuple[str, ...]
    outputs: Mapping[str, Mapping[str, Any]]


def test(workspace: Workspace, *files: str) -> TestedRuns:
    """Run the tests, or those of some files."""
    chosen = [f"-filter=tests/{file}" for file in files]
    done = workspace.run("test", "-json", "-verbose", *chosen)
    return parsed(done.stdout.splitlines())


def parsed(lines: list[str]) -> TestedRuns:
    """The messages of `terraform test -json -verbose`. Pure."""
    statuses: dict[tuple[str, str], str] = {}
    failures: list[str] = []
    outputs: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        message = json.loads(line)
        run = message.get("@testfile", ""), message.get("@testrun", "")
        if message["type"] == "test_run" and message["test_run"]["progress"] == "complete":
            statuses[run] = message["test_run"]["status"]
        elif message["type"] == "diagnostic" and message["diagnostic"]["severity"] == "error":
            said = message["diagnostic"]
            failures.append(f"{run[0]} {run[1]}: {said['summary']}: {said.get('detail', '')}".replace("\n", " "))
        elif message["type"] == "test_plan":
            changes = message["test_plan"].get("output_changes", {})
            outputs[run[1]] = {name: change.get("after") for name, change in changes.items()}
    return TestedRuns(statuses, tuple(failures), outputs)
