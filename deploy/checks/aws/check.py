"""The check `aws`: everything that can be known of deploy/aws without an account."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.checks.aws import life_cycle, policy, task_definitions, typos
from deploy.checks.aws.terraform import SOURCE, Workspace, lacking, test
from deploy.checks.check import Check
from deploy.checks.checkov import CheckovFailed

LEAST_ASSERTIONS = 80
EXAMPLES = ("examples/small", "examples/production")
ALL_GIVEN = "everything_given"
RETENTION_DAYS = 365  # of the bucket in that run


def run() -> list[str]:
    """The mistakes, a line each; the parts say what they do as they begin."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder))
        return [
            *_said("form", _unformatted(workspace)),
            *_said("terraform validate: the modules and both examples", _invalid(workspace)),
            *_said("terraform test, against a mocked provider", _untrue(workspace)),
            *_said(f"{len(typos.TYPOS)} planted typos", typos.unnoticed(workspace)),
            *_said("checkov", _unexplained()),
        ]


def _said(title: str, found: Iterator[str]) -> Iterator[str]:
    print(f"  {title}", flush=True)
    yield from found


def _unformatted(workspace: Workspace) -> Iterator[str]:
    done = workspace.run("fmt", "-check", "-recursive", "-list=true", "-no-color")
    yield from (f"{name}: terraform fmt would write it in another way" for name in done.stdout.split())


def _invalid(workspace: Workspace) -> Iterator[str]:
    for below in (".", *EXAMPLES):
        if (mistake := workspace.init(below)) is not None:
            yield mistake
        else:
            yield from workspace.mistakes(below)


def _untrue(workspace: Workspace) -> Iterator[str]:
    done = test(workspace)
    failed = [run for run, status in done.statuses.items() if status != "pass"]
    yield from (f"{file} {name}: {done.statuses[file, name]}" for file, name in failed)
    yield from done.failures
    number = assertions()
    print(f"    {len(done.statuses)} runs with {number} assertions", flush=True)
    if number < LEAST_ASSERTIONS:
        yield f"the tests make {number} assertions, {LEAST_ASSERTIONS} are wanted"
    for name, outputs in done.outputs.items():
        for service, definition in (outputs.get("task_definitions") or {}).items():
            yield from (f"{name}: {line}" for line in task_definitions.misshapen(service, definition))
    if (complete := done.outputs.get(ALL_GIVEN)) is None:
        yield f"the run {ALL_GIVEN} shows nothing"
    else:
        yield from task_definitions.unequal(complete["task_definitions"])
        yield from life_cycle.different(complete["life_cycle"], RETENTION_DAYS)


def assertions() -> int:
    """The number of things that the tests hold: conditions, and mistakes that must be refused."""
    text = "\n".join(path.read_text() for path in sorted((SOURCE / "tests").glob("*.tftest.hcl")))
    return len(re.findall(r"^\s*(?:assert \{|expect_failures)", text, re.MULTILINE))


def _unexplained() -> Iterator[str]:
    try:
        found = [each for example in policy.EXAMPLES for each in policy.findings(example)]
    except CheckovFailed as error:
        yield str(error)
    else:
        yield from policy.unexplained(found, policy.explanations())


CHECK = Check("aws", "Terraform of AWS: valid, tested, typos found, task definitions as ECS takes them", lacking, run)
