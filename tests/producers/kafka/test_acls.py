"""ACLs from the table of rights: the differences to a broker, Kafka's own commands, JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from producers.kafka.acls import acl_plan, commands, plain
from schemas.topics import GROUPS, TOPICS
from sink.records.kafka.rights import RIGHTS, Grant, Operation, Resource, Right, grants, transactional_prefix

ROOT = Path(__file__).parents[3]
READ = Right(Resource.TOPIC, "scribe.jobs", Operation.READ)
PREFIX = Right(Resource.TRANSACTIONAL_ID, "scribe-gpu.", Operation.WRITE, prefixed=True)


def scribe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "producers", "topics", "acls", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_plan_names_what_is_missing_and_what_is_too_much() -> None:
    wanted = (Grant("gpu", READ), Grant("gpu", PREFIX))
    other = Grant("somebody", READ)
    extra = Grant("gpu", Right(Resource.TOPIC, "scribe.jobs", Operation.WRITE))
    found = acl_plan(wanted, [wanted[0], other, extra])
    assert (found.missing, found.superfluous) == ((wanted[1],), (extra,))
    assert acl_plan(wanted, wanted).missing == ()


def test_a_command_gives_all_operations_on_one_resource() -> None:
    both = [
        Grant("gpu", READ),
        Grant("gpu", Right(Resource.TOPIC, "scribe.jobs", Operation.WRITE)),
        Grant("gpu", PREFIX),
    ]
    first, second = commands(both, "b:9092")
    assert first.endswith("--allow-principal 'User:gpu' --operation READ --operation WRITE --topic 'scribe.jobs'")
    assert second.endswith("--transactional-id 'scribe-gpu.' --resource-pattern-type prefixed")


def test_json_has_the_words_of_kafkas_api() -> None:
    assert plain(Grant("gpu", PREFIX)) == {
        "principal": "User:gpu",
        "host": "*",
        "resource_type": "TRANSACTIONAL_ID",
        "resource_name": "scribe-gpu.",
        "pattern_type": "PREFIXED",
        "operation": "WRITE",
        "permission": "ALLOW",
    }


def test_the_command_writes_what_was_asked_for() -> None:
    lines = [
        json.loads(line) for line in scribe("--json", "--process", "relay", "--user", "relay=alice").stdout.splitlines()
    ]
    assert {line["principal"] for line in lines} == {"User:alice"}
    assert len(lines) == len(RIGHTS["relay"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--process", "rely"), "--process rely: no process that talks to Kafka has this name; did you mean relay?"),
        (("--user", "relay"), "--user relay: write PROCESS=USER, such as relay=alice"),
        (("--user", "api=x"), "--user api: no process that talks to Kafka has this name; one of relay, gpu-transcribe"),
    ],
)
def test_a_mistake_in_the_call_is_named(arguments: tuple[str, ...], words: str) -> None:
    done = scribe(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_every_topic_and_group_is_somebodys() -> None:
    """But retired steps of the ladder, into which nobody writes any more."""
    named = {
        (right.resource, right.name, right.operation)
        for process in RIGHTS
        if process != "operator"
        for right in RIGHTS[process]
    }
    read = {name for kind, name, operation in named if (kind, operation) == (Resource.TOPIC, Operation.READ)}
    written = {name for kind, name, operation in named if (kind, operation) == (Resource.TOPIC, Operation.WRITE)}
    only_operators = {name for name in TOPICS if name.endswith(".dlq")}
    assert set(TOPICS) - read == only_operators
    assert set(TOPICS) - written <= {"scribe.tenants"}
    assert {name for kind, name, _ in named if kind is Resource.GROUP} >= set(GROUPS)


def test_a_right_is_given_once_to_a_user_of_two_processes() -> None:
    found = grants(processes=("gpu-transcribe", "gpu-diarize"))
    assert len(set(found)) == len(found) < len(RIGHTS["gpu-transcribe"]) + len(RIGHTS["gpu-diarize"])
    assert {grant.user for grant in found} == {"gpu"}
    assert transactional_prefix("scribe.diarizers") in {grant.right.name for grant in found}
