"""What Terraform for Google Cloud reads of the code is what the code has, name by name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.checks.google.modules import Tree, texts_below, tree_of
from deploy.checks.hcl.blocks import Expression
from deploy.gcp import data
from deploy.process_settings import OF_PLATFORMS
from deploy.readme import exported_metrics, metric_name
from producers.kafka.topic_plan import Existing, plan
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.topics import TOPICS
from sink.records.kafka.rights import USERS

FOLDER = Path(data.__file__).parent
EXAMPLES = ("examples/small", "examples/production")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return tree_of(texts_below(FOLDER))


def read(path: str) -> Any:
    return json.loads((FOLDER / "modules" / path).read_text())


def test_the_files_are_as_the_code_has_them() -> None:
    assert data.outdated() == []


def test_every_setting_of_the_code_and_no_other_reaches_a_process_or_a_person() -> None:
    deployed = {
        name for each in read("settings/processes.json").values() for name in each["variables"] + each["secrets"]
    }
    of_people = {variable_of(name) for cls in data.OF_PEOPLE for name in cls.model_fields}
    assert deployed | of_people | OF_PLATFORMS == {variable_of(name) for cls in SETTINGS for name in cls.model_fields}


def test_topics_made_from_the_file_are_what_the_command_checks() -> None:
    made = {name: Existing(each["partitions"], each["config"]) for name, each in read("kafka/topics.json").items()}
    assert plan(TOPICS.values(), made).is_done


def test_grants_are_the_rights_of_the_code() -> None:
    granted = {
        (entry["process"], acl, entry["operation"])
        for acl, entries in read("kafka/grants.json").items()
        for entry in entries
    }
    assert {name for name, _, _ in granted} == {*USERS.values(), "topics", "downstream"}
    assert ("gpu", "transactionalIdPrefixed/scribe-gpu.scribe.transcribers.", "WRITE") in granted
    assert ("persist", "consumerGroup/scribe.persist", "READ") in granted
    assert len(granted) == sum(len(set(rights)) for rights in data.ACCESS.values())


def test_no_process_may_write_what_another_one_writes_alone() -> None:
    grants = read("kafka/grants.json")
    writers = {entry["process"] for entry in grants["topic/scribe.results"] if entry["operation"] == "WRITE"}
    assert writers == {"gpu", "relay"}  # the relay ends jobs that were cancelled before their turn
    assert not [acl for acl in grants if acl.startswith("all")]


def test_accounts_of_kafka_are_processes_or_services_of_others(tree: Tree) -> None:
    (local,) = [block for _, block in tree.modules["modules/identity"].blocks("locals")]
    clients = set(re.findall(r'"([a-z]+)"', local.attributes["kafka_clients"].text))
    assert clients == set(data.ACCESS) - {"upstream", "downstream"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_name_settings_and_processes_that_exist(tree: Tree, example: str) -> None:
    text = "\n".join(texts_below(FOLDER / example).values())
    known = {variable_of(name) for cls in SETTINGS for name in cls.model_fields}
    assert set(re.findall(r"\b(?:SCRIBE|ENHANCED)_[A-Z0-9_]+", text)) <= known
    (local,) = [block for _, block in tree.modules[example].blocks("locals")]
    assert set(local.value("processes")) == {*data.PROCESSES, "external-secrets"}
    assert set(local.value("on_gke")) <= set(data.PROCESSES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_process_runs_somewhere(tree: Tree, example: str) -> None:
    module = tree.modules[example]
    (local,) = [block for _, block in module.blocks("locals")]
    pools: set[str] = set()
    if "workers" in module.calls:
        pools = {*module.calls["workers"].value("pools"), "migrations", "topics", "operator"}
    # operators have a job on Cloud Run, and on GKE the pods of other processes
    assert {"api", "operator", *pools, *local.value("on_gke")} == set(data.PROCESSES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_settings_module_demands_the_examples_give(tree: Tree, example: str) -> None:
    (needed,) = [block for _, block in tree.modules["modules/settings"].blocks("locals")]
    call = tree.modules[example].calls["settings"]
    for name in needed.value("needed_plain"):
        assert name in call.attributes["values"].text
    (local,) = [block for _, block in tree.modules[example].blocks("locals")]
    for name in needed.value("needed_secret"):
        assert name in local.attributes["secrets"].text


def test_alerts_ask_for_metrics_that_processes_have(tree: Tree) -> None:
    (local,) = [block for _, block in tree.modules["modules/alerts"].blocks("locals")]
    written = local.attributes["queries"].text + local.attributes["thresholds"].text
    asked = set(re.findall(r"\bscribe_rabbit_[a-z_]+", written))
    assert asked
    assert asked <= {metric_name(metric) for metric in exported_metrics()}


def test_gpu_pools_have_no_more_nodes_than_there_are_partitions(tree: Tree) -> None:
    partitions = tree.modules["modules/cluster"].variables["most_partitions"].value("default")
    assert partitions == TOPICS["scribe.jobs"].partitions
    for example in EXAMPLES:
        pools = tree.modules[example].calls["cluster"].value("gpu_pools")
        assert not isinstance(pools, Expression)
        assert sum(pool["max"] for pool in pools.values()) <= partitions


def test_examples_of_values_are_of_the_variables(tree: Tree) -> None:
    for example in EXAMPLES:
        lines = (FOLDER / example / "terraform.tfvars.example").read_text()
        named = set(re.findall(r"^(?:# )?([a-z0-9_]+)\s*= ", lines, re.MULTILINE))
        variables = tree.modules[example].variables
        assert named <= set(variables)
        assert {name for name, each in variables.items() if "default" not in each.attributes} <= named
