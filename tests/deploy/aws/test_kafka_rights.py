"""Rights in Kafka by IAM: every process has the topics and groups that it uses, and no others."""

import re

import pytest

from schemas.retries.schedules import LADDER
from schemas.topics import (
    CONTROL,
    DIARIZERS,
    ENHANCE,
    ENHANCEMENTS,
    JOBS,
    JOBS_EXPRESS,
    PERSIST,
    PROGRESS,
    READS,
    RESULTS,
    TENANTS,
    TRANSCRIBERS,
    TRANSCRIPTS,
    WEBHOOKS,
    dlq_topic,
    retry_topic,
)
from tests.deploy.aws.hcl import AWS, block, strings

GPU = (TRANSCRIBERS, DIARIZERS)
RETRIES = {retry_topic(group, step) for group in GPU for step in LADDER.read}
READ = {
    "relay": set[str](),
    "gpu": {*READS[TRANSCRIBERS], *READS[DIARIZERS], *RETRIES, CONTROL, TENANTS},
    **{
        process: set(READS[group])
        for process, group in (("persist", PERSIST), ("enhance", ENHANCE), ("webhooks", WEBHOOKS))
    },
}
WRITTEN = {
    "relay": {JOBS, JOBS_EXPRESS, CONTROL, RESULTS, ENHANCEMENTS},
    "gpu": {TRANSCRIPTS, RESULTS, f"{RESULTS}.*", PROGRESS, *RETRIES, *(dlq_topic(group) for group in GPU)},
    **{
        process: {dlq_topic(group)}
        for process, group in (("persist", PERSIST), ("enhance", ENHANCE), ("webhooks", WEBHOOKS))
    },
}
GROUPS = {
    "relay": set[str](),
    "gpu": {*GPU, "scribe.readers"},
    "persist": {PERSIST},
    "enhance": {ENHANCE},
    "webhooks": {WEBHOOKS},
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


@pytest.mark.parametrize("process", sorted(READ))
def test_a_process_may_read_and_write_what_it_does(process: str) -> None:
    assert granted(process, "reads") == READ[process]
    assert granted(process, "writes") == WRITTEN[process]
    assert granted(process, "groups") == GROUPS[process]


def test_the_steps_of_retries_are_those_of_the_ladder() -> None:
    text = (AWS / "kafka_rights.tf").read_text()
    steps = re.search(r"setproduct\(\[local.transcribers, local.diarizers\], \[(.*?)\]", text)
    assert steps
    assert strings(steps[1]) == set(LADDER.read)
