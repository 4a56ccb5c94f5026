"""What the checks say of each process is what README.md and the code say of it."""

import re
import tomllib

import yaml

from deploy.checks.kubernetes.manifests import FOLDER
from deploy.checks.kubernetes.processes import PROCESSES
from deploy.environment import ROOT
from schemas.settings.gpu import KubernetesSettings
from schemas.settings.kafka import KafkaSettings

WORDS = {"Kafka": "kafka", "PostgreSQL": "postgres", "S3": "object-store"}
BEYOND = {"gpu": {"internet"}, "dispatcher": {"internet"}}
"""Processes that call addresses of strangers."""


def test_a_process_reaches_what_the_readme_says_it_needs() -> None:
    lines = re.findall(
        r"^(scribe-\S+(?: \w+)?) +# .*?  +((?:\w+, )*\w+)$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    needs = {tuple(command.split()): {WORDS[word] for word in words.split(", ")} for command, words in lines}
    for name, process in PROCESSES.items():
        registry = {"schema-registry"} if issubclass(process.settings, KafkaSettings) else set()
        kubernetes = {"kubernetes"} if issubclass(process.settings, KubernetesSettings) else set()
        assert process.reaches == needs[process.command] | BEYOND.get(name, set()) | registry | kubernetes, name


def test_the_images_have_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["images"]
    assert {each["name"]: each["newTag"] for each in images} == {
        f"scribe-rabbit-{process.image}": version for process in PROCESSES.values()
    }
