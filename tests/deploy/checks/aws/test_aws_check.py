"""The parts of the check that decide: what is a finding, and what is none."""

import json
from typing import Any

import pytest

from deploy.checks.aws.policy import AcceptedFinding, PolicyFinding, explanations, unexplained
from deploy.checks.aws.task_definitions import misshapen, process_of, unequal
from deploy.checks.aws.terraform import SOURCE, parsed
from deploy.checks.aws.typos import TYPOS
from deploy.process_settings import PROCESSES, variables


def definition(process: str = "relay", **changes: Any) -> dict[str, Any]:
    """A task definition that ECS takes."""
    container = {
        "name": process,
        "image": "example/image:1",
        "environment": [{"name": name, "value": "x"} for name in sorted(variables(process))],
        "secrets": [],
        "logConfiguration": {"logDriver": "awslogs", "options": {"mode": "non-blocking"}},
        **changes,
    }
    return {"family": "f", "networkMode": "awsvpc", "cpu": None, "containerDefinitions": [container]}


def test_a_task_definition_that_ecs_takes_has_no_finding() -> None:
    assert list(misshapen("relay", definition())) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"readOnlyRootFilesystem": True}, "readOnlyRootFilesystem"),
        ({"stopTimeout": "30"}, "stopTimeout"),
        ({"logConfiguration": {"logDriver": "aws-logs"}}, "'aws-logs' is none of"),
        ({"dependsOn": [{"containerName": "prepare", "condition": "DONE"}]}, "'DONE' is none of"),
        ({"secrets": [{"name": "SCRIBE_WEBHOOK_KEY"}]}, "valueFrom"),
    ],
    ids=["unknown member", "wrong type", "unknown driver", "unknown condition", "missing member"],
)
def test_what_ecs_would_refuse_is_found(change: dict[str, Any], word: str) -> None:
    found = list(misshapen("relay", definition(**change)))
    assert len(found) >= 1
    assert word in "\n".join(found)


def test_a_setting_too_few_or_too_many_is_found() -> None:
    whole = {("gpu-t4" if name == "gpu" else name): definition(name) for name in PROCESSES}
    assert list(unequal(whole)) == []
    environment = definition("relay")["containerDefinitions"][0]["environment"]
    fewer = whole | {"relay": definition("relay", environment=environment[1:])}
    assert "has no SCRIBE_ENVIRONMENT" in "\n".join(unequal(fewer))
    more = whole | {"relay": definition("relay", secrets=[{"name": "SCRIBE_DEVICE", "valueFrom": "arn"}])}
    assert "which relay does not read" in "\n".join(unequal(more))
    assert "no task definition runs gpu" in "\n".join(
        unequal({name: each for name, each in whole.items() if name != "gpu-t4"})
    )
    assert process_of("gpu-t4") == "gpu"


def test_a_finding_needs_a_reason_and_a_reason_a_finding() -> None:
    found = [PolicyFinding("CKV_1", "something is open", "aws_x.y", "small")]
    reason = AcceptedFinding("CKV_1", r"aws_x\.", "it is closed elsewhere")
    assert list(unexplained(found, [reason])) == []
    assert "something is open" in "\n".join(unexplained(found, []))
    assert "is found no more" in "\n".join(unexplained([], [reason]))
    only_production = AcceptedFinding("CKV_1", r"aws_x\.", "another example", ("production",))
    assert len(list(unexplained(found, [only_production]))) == 2


def test_every_explanation_has_a_reason() -> None:
    assert all(len(each.reason) > 20 for each in explanations())


def test_messages_of_terraform_are_read() -> None:
    run = {"@testfile": "tests/a.tftest.hcl", "@testrun": "one"}
    messages = [
        {"type": "version"},
        {**run, "type": "test_run", "test_run": {"progress": "starting"}},
        {**run, "type": "test_plan", "test_plan": {"output_changes": {"x": {"after": 1}}}},
        {**run, "type": "diagnostic", "diagnostic": {"severity": "error", "summary": "no", "detail": "why\nnot"}},
        {**run, "type": "test_run", "test_run": {"progress": "complete", "status": "fail"}},
    ]
    done = parsed([json.dumps(message) for message in messages])
    assert done.statuses == {("tests/a.tftest.hcl", "one"): "fail"}
    assert done.failures == ("tests/a.tftest.hcl one: no: why not",)
    assert done.outputs == {"one": {"x": 1}}


def test_every_typo_can_be_planted() -> None:
    assert len(TYPOS) >= 20
    assert [typo for typo in TYPOS if typo.right not in (SOURCE / typo.file).read_text()] == []
