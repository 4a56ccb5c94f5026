"""The configuration texts of the components, as values."""

from pathlib import Path

import pytest

from deploy.local.broker_access import BrokerAccess
from deploy.local.kafka import broker_ports, server_properties
from deploy.local.postgres import postgresql_conf, unprivileged
from deploy.local.registry import registry_environment
from deploy.local.s3 import proxy_properties

DATA = Path("/data")
BROKER = dict(
    line.split("=", 1) for line in server_properties({"kafka": 20001, "kafka_controller": 20002}, DATA).splitlines()
)


def test_kafka_listens_on_loopback_only() -> None:
    assert BROKER["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"
    assert BROKER["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001"
    assert BROKER["controller.quorum.voters"] == "1@127.0.0.1:20002"


def test_kafka_makes_no_topics_by_itself() -> None:
    assert BROKER["auto.create.topics.enable"] == "false"


def test_one_node_suffices_for_every_internal_topic() -> None:
    factors = {name: value for name, value in BROKER.items() if name.endswith(("replication.factor", "min.isr"))}
    assert len(factors) == 6
    assert set(factors.values()) == {"1"}


def test_three_nodes_keep_three_replicas_and_write_to_two_at_least() -> None:
    ports = {name: 20001 + n for n, name in enumerate(name for number in (1, 2, 3) for name in broker_ports(number))}
    third = dict(line.split("=", 1) for line in server_properties(ports, DATA, 3, 3).splitlines())
    assert third["controller.quorum.voters"] == "1@127.0.0.1:20002,2@127.0.0.1:20004,3@127.0.0.1:20006"
    assert third["node.id"] == "3"
    assert third["min.insync.replicas"] == "2"
    assert {value for name, value in third.items() if name.endswith("replication.factor")} == {"3"}
    assert {value for name, value in third.items() if name.endswith("min.isr")} == {"2"}


def test_a_secure_broker_gives_nobody_anything(tmp_path: Path) -> None:
    ports = {name: 20001 + n for n, name in enumerate(broker_ports(1, secure=True))}
    secure = dict(
        line.split("=", 1)
        for line in server_properties(ports, DATA, access=BrokerAccess(tmp_path, "secret")).splitlines()
    )
    assert secure["listener.security.protocol.map"] == "CONTROLLER:SSL,CLIENTS:SASL_SSL,INTERNAL:SSL"
    assert secure["allow.everyone.if.no.acl.found"] == "false"
    assert secure["super.users"] == "User:broker;User:admin"
    assert secure["listener.name.internal.ssl.client.auth"] == "required"
    assert secure["listener.name.controller.ssl.client.auth"] == "required"


def test_dead_members_are_noticed_quickly() -> None:
    assert BROKER["group.consumer.session.timeout.ms"] == BROKER["group.consumer.min.session.timeout.ms"] == "6000"
    assert BROKER["group.consumer.heartbeat.interval.ms"] == "1000"


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_postgres_is_durable_unless_thrown_away(durable: bool, fsync: str) -> None:
    lines = postgresql_conf(20003, durable=durable).splitlines()
    assert f"fsync = {fsync}" in lines
    assert {"listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "port = 20003"} <= set(lines)


def test_postgres_never_runs_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert unprivileged(["postgres"])[:2] == ["setpriv", "--reuid=65534"]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert unprivileged(["postgres"]) == ["postgres"]


def test_s3_wants_signed_requests() -> None:
    lines = proxy_properties(20004, DATA, "key", "secret").splitlines()
    assert "s3proxy.authorization=aws-v2-or-v4" in lines
    assert "s3proxy.endpoint=http://127.0.0.1:20004" in lines


def test_the_registry_has_no_second_door() -> None:
    variables = registry_environment(20005, DATA)
    assert variables["QUARKUS_HTTP_HOST"] == variables["QUARKUS_MANAGEMENT_HOST"] == "127.0.0.1"
    assert variables["APICURIO_DATASOURCE_URL"] == "jdbc:h2:file:/data/schemas"
