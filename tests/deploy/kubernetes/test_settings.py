"""The settings files of Kubernetes have the settings of the code, no more and no fewer, and keep their values."""

import pytest
import yaml
from pydantic_settings import BaseSettings

from deploy.kubernetes.settings import CONCERNS, FOLDER, open_variables, path_of, text_of, written
from deploy.process_settings import concern_name
from schemas.settings.gpu import GpuSettings
from schemas.settings.kafka import KafkaSettings


@pytest.mark.parametrize("concern", CONCERNS, ids=concern_name)
def test_a_file_has_the_settings_of_its_concern(concern: type[BaseSettings]) -> None:
    assert written(concern) == text_of(concern, written(concern)), "run: python -m deploy.kubernetes.settings"


def test_every_concern_is_a_map_and_nothing_else_is() -> None:
    base = yaml.safe_load((FOLDER.parent / "kustomization.yaml").read_text())
    maps = {each["name"]: each["envs"] for each in base["configMapGenerator"]}
    assert maps == {f"scribe-{concern_name(each)}": [f"settings/{path_of(each).name}"] for each in CONCERNS}
    assert set(FOLDER.iterdir()) == {path_of(each) for each in CONCERNS}


def test_a_new_setting_is_added_and_an_old_one_goes_while_values_stay() -> None:
    text = text_of(GpuSettings, "SCRIBE_DEVICE=cuda\nSCRIBE_GONE=1\n")
    assert "SCRIBE_DEVICE=cuda\n" in text
    assert "SCRIBE_DRAIN_SECONDS=\n" in text
    assert "SCRIBE_GONE" not in text


def test_secrets_are_elsewhere() -> None:
    assert "SCRIBE_KAFKA_BOOTSTRAP" in open_variables(KafkaSettings)
    assert "SCRIBE_KAFKA_PASSWORD" not in open_variables(KafkaSettings)
