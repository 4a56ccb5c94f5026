"""Settings report every mistake at once, each with its variable, and hide secrets."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings.api import ApiSettings, ClientSettings
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load, unknown_variables
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.settings.processes import ApiProcess
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings
from schemas.settings.values import secret_of


# what a process does to read several concerns at once; the last one named is read first
class KafkaApiAndObjects(ObjectStoreSettings, ApiSettings, KafkaSettings):
    """Three concerns."""


class KafkaOutboundAndApi(ApiSettings, OutboundSettings, KafkaSettings):
    """Three others."""


class KafkaObjectsAndClient(ClientSettings, ObjectStoreSettings, KafkaSettings):
    """All that hold an address."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No variable and no .env of the machine reaches these tests."""
    for cls in SETTINGS:
        for name in cls.model_fields:
            monkeypatch.delenv(variable_of(name), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def test_every_mistake_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wrong variables of three concerns, three lines."""
    monkeypatch.setenv("SCRIBE_KAFKA_BOOTSTRAP", "nonsense")
    monkeypatch.setenv("SCRIBE_API_PORT", "99999")
    monkeypatch.setenv("SCRIBE_S3_ENDPOINT", "ftp://x")
    with pytest.raises(SettingsError) as caught:
        load(KafkaApiAndObjects)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["SCRIBE_KAFKA_BOOTSTRAP", "SCRIBE_API_PORT", "SCRIBE_S3_ENDPOINT"]
    assert "'nonsense' is not host:port" in lines[0]


def test_a_network_that_is_none_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the first address is checked."""
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", '["10.0.0.0/8", "10.0.0.300"]')
    with pytest.raises(SettingsError, match=r"SCRIBE_ALLOWED_NETWORKS: '10\.0\.0\.300'"):
        load(OutboundSettings)


def test_lists_and_objects_that_are_none_are_reported_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text itself is not repeated: it may hold a password."""
    monkeypatch.setenv("SCRIBE_KAFKA_OPTIONS", '{"sasl.password": "hunter2')
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", "[10.0.0.0/8")
    monkeypatch.setenv("SCRIBE_API_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load(KafkaOutboundAndApi)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "SCRIBE_KAFKA_OPTIONS",
        "SCRIBE_ALLOWED_NETWORKS",
        "SCRIBE_API_PORT",
    ]
    assert "is not a JSON object such as" in lines[0]
    assert "hunter2" not in lines[0]


USER = {"SCRIBE_KAFKA_USER": "u", "SCRIBE_KAFKA_PASSWORD": "kanari"}
PAIR = {"SCRIBE_KAFKA_CERTIFICATE_FILE": "c.pem", "SCRIBE_KAFKA_KEY_FILE": "k.pem"}
ENDPOINT = {"SCRIBE_KAFKA_OAUTH_URL": "https://id.example/token"}


@pytest.mark.parametrize(
    ("security", "given"),
    [
        ("none", {}),
        ("tls", {}),
        ("tls", {"SCRIBE_KAFKA_CA_FILE": "ca.pem", **PAIR, "SCRIBE_KAFKA_KEY_PASSWORD": "kanari"}),
        ("scram-sha-512", USER),
        ("scram-sha-256", {**USER, **PAIR}),
        ("plain", {**USER, "SCRIBE_KAFKA_CA_FILE": "ca.pem"}),
        ("oauthbearer", {**USER, **ENDPOINT, "SCRIBE_KAFKA_OAUTH_SCOPE": "kafka"}),
        ("oauthbearer", {**USER, "SCRIBE_KAFKA_OAUTH_URL": "http://127.0.0.1:1/token"}),
        ("msk-iam", {"SCRIBE_KAFKA_AWS_REGION": "eu-west-1"}),
    ],
)
def test_whole_ways_to_the_broker_are_taken(
    monkeypatch: pytest.MonkeyPatch, security: str, given: dict[str, str]
) -> None:
    for name, value in {"SCRIBE_KAFKA_SECURITY": security, **given}.items():
        monkeypatch.setenv(name, value)
    settings = load(KafkaSettings)
    assert settings.kafka_security == security
    assert "kanari" not in repr(settings)


@pytest.mark.parametrize(
    ("security", "given", "lines"),
    [
        ("scram", {}, ["SCRIBE_KAFKA_SECURITY: Input should be 'none', 'tls', 'scram-sha-512'"]),
        (
            "scram-sha-512",
            {"SCRIBE_KAFKA_USER": "u"},
            ["SCRIBE_KAFKA_PASSWORD: is not set: SCRIBE_KAFKA_SECURITY=scram-sha-512 needs it"],
        ),
        (
            "none",
            USER,
            [
                "SCRIBE_KAFKA_USER: is set, but SCRIBE_KAFKA_SECURITY=none has no use for it: scram-sha-512, ",
                "SCRIBE_KAFKA_PASSWORD: is set, but SCRIBE_KAFKA_SECURITY=none has no use for it",
            ],
        ),
        (
            "scram-sha-512",
            {**USER, **ENDPOINT},
            ["SCRIBE_KAFKA_OAUTH_URL: is set, but SCRIBE_KAFKA_SECURITY=scram-sha-512 has no use for it: oauthbearer"],
        ),
        (
            "tls",
            {"SCRIBE_KAFKA_CERTIFICATE_FILE": "c.pem"},
            ["SCRIBE_KAFKA_KEY_FILE: is not set: SCRIBE_KAFKA_CERTIFICATE_FILE needs it"],
        ),
        (
            "tls",
            {"SCRIBE_KAFKA_KEY_FILE": "k.pem"},
            ["SCRIBE_KAFKA_CERTIFICATE_FILE: is not set: SCRIBE_KAFKA_KEY_FILE needs it"],
        ),
        (
            "tls",
            {"SCRIBE_KAFKA_KEY_PASSWORD": "kanari"},
            ["SCRIBE_KAFKA_KEY_FILE: is not set: SCRIBE_KAFKA_KEY_PASSWORD needs it"],
        ),
        (
            "oauthbearer",
            {**USER, "SCRIBE_KAFKA_OAUTH_URL": "http://id.example/token"},
            ["SCRIBE_KAFKA_OAUTH_URL: would be sent a secret in the clear: it must be an https address"],
        ),
        (
            "plain",
            {**USER, "SCRIBE_KAFKA_PASSWORD_FILE": "/dev/null/p"},
            [
                "SCRIBE_KAFKA_PASSWORD: is set, and SCRIBE_KAFKA_PASSWORD_FILE too: keep one of them",
                "SCRIBE_KAFKA_PASSWORD_FILE: /dev/null/p cannot be read: Not a directory",
            ],
        ),
        (
            "plain",
            {"SCRIBE_KAFKA_USER": "u", "SCRIBE_KAFKA_PASSWORD_FILE": "/dev/null"},
            ["SCRIBE_KAFKA_PASSWORD_FILE: /dev/null is empty: write the secret into it"],
        ),
        ("msk-iam", {}, ["SCRIBE_KAFKA_AWS_REGION: is not set: SCRIBE_KAFKA_SECURITY=msk-iam needs it"]),
        (
            "none",
            {"SCRIBE_KAFKA_OPTIONS": '{"sasl.password": "kanari", "security.protocol": "SASL_SSL"}'},
            [
                "SCRIBE_KAFKA_OPTIONS: sasl.password: TLS and SASL are set by SCRIBE_KAFKA_SECURITY",
                "SCRIBE_KAFKA_OPTIONS: security.protocol: TLS and SASL are set by SCRIBE_KAFKA_SECURITY",
            ],
        ),
    ],
)
def test_what_contradicts_itself_on_the_way_to_the_broker_is_named(
    monkeypatch: pytest.MonkeyPatch, security: str, given: dict[str, str], lines: list[str]
) -> None:
    """A line for each variable that has to change, and no secret in any of them."""
    for name, value in {"SCRIBE_KAFKA_SECURITY": security, **given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(KafkaApiAndObjects)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines), found
    assert all(line.startswith(words) for line, words in zip(found, lines, strict=True)), found
    assert "kanari" not in str(caught.value)


def test_a_password_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p w\n")
    monkeypatch.setenv("SCRIBE_KAFKA_SECURITY", "plain")
    monkeypatch.setenv("SCRIBE_KAFKA_USER", "u")
    monkeypatch.setenv("SCRIBE_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load(KafkaSettings)
    assert secret_of(settings.kafka_password, settings.kafka_password_file) == "p w"


def test_an_option_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBE_KAFKA_OPTIONS", '{"linger.ms": 5}')
    with pytest.raises(SettingsError, match=r"SCRIBE_KAFKA_OPTIONS: linger\.ms: "):
        load(KafkaSettings)


@pytest.mark.parametrize("text", ["10.0.0.0/8,::1/128", " 10.0.0.0/8 , ::1/128,", '["10.0.0.0/8", "::1/128"]'])
def test_networks_are_a_list_with_commas_or_of_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", text)
    assert load(OutboundSettings).allowed_networks == ("10.0.0.0/8", "::1/128")


@pytest.mark.parametrize("text", ["proxy:4750", "socks5://u:kanari@proxy", "http://u:kanari@", "http://u:kanari@h:x"])
def test_a_proxy_is_an_http_address_and_its_password_is_never_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SCRIBE_EGRESS_PROXY", text)
    with pytest.raises(SettingsError, match="SCRIBE_EGRESS_PROXY: is not an address such as") as caught:
        load(OutboundSettings)
    assert "kanari" not in str(caught.value)


def test_a_variable_without_a_value_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `.env.example` has them."""
    for variable in ("SCRIBE_METRICS_PORT", "SCRIBE_API_KEY", "SCRIBE_KAFKA_OPTIONS", "SCRIBE_S3_ENDPOINT"):
        monkeypatch.setenv(variable, "")
    assert load(ServiceSettings).metrics_port is None
    assert load(ClientSettings).api_key is None
    assert load(KafkaSettings).kafka_options == {}
    assert load(ObjectStoreSettings).s3_endpoint is None


def test_a_key_is_trimmed_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes a header, and the client's own errors would repeat it."""
    monkeypatch.setenv("SCRIBE_API_KEY", " sr_live_abc\n")
    key = load(ClientSettings).api_key
    assert key is not None
    assert key.get_secret_value() == "sr_live_abc"
    for text in ("kanari\nx", "kanarié", "kana\x7fri"):
        monkeypatch.setenv("SCRIBE_API_KEY", text)
        with pytest.raises(SettingsError, match="SCRIBE_API_KEY: has characters that no key has") as caught:
            load(ClientSettings)
        assert "kana" not in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "ftp://x", "http://", "http://[bad", "http://h:99999", "//host"])
def test_addresses_are_checked_before_a_client_is_made(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    variables = ["SCRIBE_SCHEMA_REGISTRY_URL", "SCRIBE_S3_ENDPOINT", "SCRIBE_API_URL"]
    for variable in variables:
        monkeypatch.setenv(variable, address)
    with pytest.raises(SettingsError) as caught:
        load(KafkaObjectsAndClient)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == variables


def test_the_address_of_the_service_is_trimmed_and_ends_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBE_API_URL", " https://scribe.example:8443/below/ \n")
    assert load(ClientSettings).api_url == "https://scribe.example:8443/below"
    for address in ("http://h/?x=1", "http://h#part"):
        monkeypatch.setenv("SCRIBE_API_URL", address)
        with pytest.raises(SettingsError, match="SCRIBE_API_URL: must end with its host or path"):
            load(ClientSettings)


def test_given_values_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command-line option is stronger than the environment."""
    monkeypatch.setenv("SCRIBE_API_PORT", "1000")
    assert load(ApiSettings, api_port=2000).api_port == 2000


@pytest.mark.parametrize(
    "variable",
    [
        "SCRIBE_OTLP_ENDPOINT",
        "SCRIBE_SCHEMA_REGISTRY_URL",
        "SCRIBE_S3_ENDPOINT",
        "ENHANCED_AI_ENDPOINT",
        "SCRIBE_PUBLIC_URL",
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "http://user:hunter2/x@host:80",
        "http://host:hunter2",
        "hunter2://host",
        "http://[hunter2",
        "http://:hunter2@",
        "http://u:hunter2@h\u2100x",
    ],
)
def test_no_mistake_in_an_address_repeats_it(monkeypatch: pytest.MonkeyPatch, variable: str, address: str) -> None:
    """What stands in the place of the port may be the beginning of a password."""
    monkeypatch.setenv(variable, address)
    with pytest.raises(SettingsError) as raised:
        load(ApiProcess)
    assert variable in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_no_validator_hides_another_where_classes_are_joined() -> None:
    """Two of one name are one in a process that reads both classes."""
    named = [name for cls in SETTINGS for name in cls.__pydantic_decorators__.field_validators if name in vars(cls)]
    assert len(set(named)) == len(named) > 5


def test_secrets_do_not_print() -> None:
    """A settings object in a log line shows no password."""
    settings = load(PostgresSettings, postgres_dsn="postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_every_setting_is_explained(cls: type[KafkaSettings]) -> None:
    """The table of settings is made of these sentences."""
    assert all(field.description for field in cls.model_fields.values())


def test_the_first_editions_names_have_no_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read, and mistakes in them are named, as deployments have them; the key is never shown."""
    monkeypatch.setenv("ENHANCED_AI_ENDPOINT", "https://llm.example/v1")
    monkeypatch.setenv("ENHANCED_AI_API_KEY", " sk-abc\n")
    settings = load(EnhancedAiSettings)
    assert settings.enhanced_ai_endpoint == "https://llm.example/v1"
    assert settings.enhanced_ai_api_key == SecretStr("sk-abc")
    monkeypatch.setenv("ENHANCED_AI_ENDPOINT", "llm.example")
    monkeypatch.setenv("ENHANCED_AI_API_KEY", "kanari\nx")
    with pytest.raises(SettingsError) as caught:
        load(EnhancedAiSettings)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "ENHANCED_AI_ENDPOINT",
        "ENHANCED_AI_API_KEY",
    ]
    assert "kanari" not in str(caught.value)


def test_a_variable_that_nobody_reads_is_told_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SCRIBE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCRIBE_API_KYE", "s3cret")
    monkeypatch.setenv("SCRIBE_NONSENSE", "1")
    monkeypatch.setenv("SCRIBE_API_KEY", "k")
    assert unknown_variables() == (
        "SCRIBE_API_KYE: nobody reads this variable; did you mean `SCRIBE_API_KEY`?",
        "SCRIBE_NONSENSE: nobody reads this variable",
    )


def test_so_is_one_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SCRIBE_LOG_LEVLE=debug\nOTHER=1\n")
    assert [line.split(":")[0] for line in unknown_variables()] == ["SCRIBE_LOG_LEVLE"]


def test_origins_are_taken_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBE_API_CORS_ORIGINS", "https://App.example, http://127.0.0.1:3000")
    assert load(ApiSettings).api_cors_origins == ("https://app.example", "http://127.0.0.1:3000")


@pytest.mark.parametrize(
    "origin",
    [
        "app.example",
        "https://app.example/",
        "https://app.example/x",
        "https://a@b.example",
        "null",
        "https://*.example/*",
    ],
)
def test_what_is_no_origin_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIBE_API_CORS_ORIGINS", f"https://good.example,{origin}")
    with pytest.raises(SettingsError, match="SCRIBE_API_CORS_ORIGINS"):
        load(ApiSettings)
