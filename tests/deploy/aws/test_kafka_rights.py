"""Rights in Kafka by IAM are those of the code: every process has the topics and groups that it uses, and no others."""

import re

import pytest

from schemas.retries.schedules import LADDER
from schemas.topics import DIARIZERS, TRANSCRIBERS, retry_topic
from sink.records.kafka.rights import RIGHTS, Operation, Resource
from tests.deploy.aws.hcl import AWS, block, strings

GPU = (TRANSCRIBERS, DIARIZERS)
# what runs as one process on AWS, by the names of the code's table
PROCESSES = {
    "relay": ("relay",),
    "persist": ("persist",),
    "enhance": ("enhance",),
    "webhooks": ("webhooks",),
    "gpu": ("gpu-transcribe", "gpu-diarize"),
    "operator": ("operator",),
}
KINDS = {
    "reads": (Resource.TOPIC, Operation.READ),
    "writes": (Resource.TOPIC, Operation.WRITE),
    "groups": (Resource.GROUP, Operation.READ),
}


def wanted(process: str, kind: str) -> set[str]:
    """The names that the code's table gives a process."""
    resource, operation = KINDS[kind]
    rights = [right for name in PROCESSES[process] for right in RIGHTS[name]]
    return {
        f"{right.name}{'*' if right.prefixed else ''}"
        for right in rights
        if (right.resource, right.operation) == (resource, operation)
    }


def granted(process: str, kind: str) -> set[str]:
    """The names that a process is given in kafka_rights.tf, its locals put in."""
    table = block("kafka_rights.tf", "kafka_rights")
    own = re.search(rf"^    {process} = \{{\n(.*?)^    \}}", table, re.MULTILINE | re.DOTALL)
    assert own, process
    line = re.search(rf"^\s*{kind}\s*=\s*(.*?)(?=^\s*(?:#|reads|writes|groups)|\Z)", own[1], re.MULTILINE | re.DOTALL)
    assert line, kind
    found = strings(line[1])
    if "local.retries" in line[1]:
        steps = strings(block("kafka_rights.tf", "retries").rpartition("[")[2]) or {"1m", "10m", "1h"}
        found |= {retry_topic(group, step) for group in GPU for step in steps}
    locals_ = dict(
        re.findall(r'^  (transcribers|diarizers)\s*= "(.*)"', (AWS / "kafka_rights.tf").read_text(), re.MULTILINE)
    )
    return found | {value for name, value in locals_.items() if f"local.{name}" in line[1]}


@pytest.mark.parametrize("process", sorted(PROCESSES))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_process_may_read_and_write_what_it_does(process: str, kind: str) -> None:
    assert granted(process, kind) == wanted(process, kind)


def test_nobody_else_talks_to_kafka() -> None:
    """Upstream systems are no process of ours: they are users, or roles of theirs."""
    assert {name for names in PROCESSES.values() for name in names} == set(RIGHTS) - {"upstream"}
    table = block("kafka_rights.tf", "kafka_rights")
    assert set(re.findall(r"^    (\w+) = \{$", table, re.MULTILINE)) == set(PROCESSES)


def test_transactions_and_readers_are_those_of_the_code() -> None:
    text = (AWS / "kafka_rights.tf").read_text()
    names = {f"scribe-gpu.{group}." for group in GPU}
    assert names == {
        right.name for name in PROCESSES["gpu"] for right in RIGHTS[name] if right.resource is Resource.TRANSACTIONAL_ID
    }
    assert "scribe-gpu.${group}.*" in text
    readers = {
        right.name for name in PROCESSES["gpu"] for right in RIGHTS[name] if right.operation is Operation.DESCRIBE
    }
    assert readers == {"scribe.readers"}
    assert "/scribe.readers" in text


def test_the_steps_of_retries_are_those_of_the_ladder() -> None:
    text = (AWS / "kafka_rights.tf").read_text()
    steps = re.search(r"setproduct\(\[local.transcribers, local.diarizers\], \[(.*?)\]", text)
    assert steps
    assert strings(steps[1]) == set(LADDER.read)
