"""Settings report every mistake at once, each with its variable, and hide secrets."""

import pytest

from schemas.errors import SettingsError
from schemas.settings import (
    SETTINGS,
    ApiSettings,
    EnhancedAiSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OutboundSettings,
    PostgresSettings,
    load,
    load_all,
    variable_of,
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No variable and no .env of the machine reaches these tests."""
    for cls in SETTINGS:
        for name in cls.model_fields:
            monkeypatch.delenv(variable_of(cls, name), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wrong variables of three concerns, three lines."""
    monkeypatch.setenv("SCRIBE_KAFKA_BOOTSTRAP", "nonsense")
    monkeypatch.setenv("SCRIBE_API_PORT", "99999")
    monkeypatch.setenv("SCRIBE_S3_ENDPOINT", "ftp://x")
    with pytest.raises(SettingsError) as caught:
        load_all(KafkaSettings, ApiSettings, ObjectStoreSettings)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["SCRIBE_KAFKA_BOOTSTRAP", "SCRIBE_API_PORT", "SCRIBE_S3_ENDPOINT"]
    assert "'nonsense' is not host:port" in lines[0]


def test_a_network_that_is_none_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the first address is checked."""
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", '["10.0.0.0/8", "10.0.0.300"]')
    with pytest.raises(SettingsError, match=r"SCRIBE_ALLOWED_NETWORKS: '10\.0\.0\.300'"):
        load(OutboundSettings)


def test_the_first_editions_names_of_the_enhanced_ai_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENHANCED_AI_ENDPOINT has no prefix."""
    monkeypatch.setenv("ENHANCED_AI_ENDPOINT", "https://ai.example")
    assert load(EnhancedAiSettings).endpoint == "https://ai.example"
    assert variable_of(EnhancedAiSettings, "api_key") == "ENHANCED_AI_API_KEY"


def test_given_values_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command-line option is stronger than the environment."""
    monkeypatch.setenv("SCRIBE_API_PORT", "1000")
    assert load(ApiSettings, api_port=2000).api_port == 2000


def test_secrets_do_not_print() -> None:
    """A settings object in a log line shows no password."""
    settings = load(PostgresSettings, postgres_dsn="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_every_setting_is_explained(cls: type[KafkaSettings]) -> None:
    """The README's table is made of these sentences."""
    assert all(field.description for field in cls.model_fields.values())
