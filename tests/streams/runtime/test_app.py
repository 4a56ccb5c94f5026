"""The settings of every Faust app, and how librdkafka's options become Faust's."""

import asyncio
from pathlib import Path
from typing import Any

import mode

from schemas.settings.kafka import KafkaSettings
from streams.runtime.app import RawSchema, create_app
from streams.runtime.event_loop import HANDLER_SECONDS


def test_an_app_has_the_settings_that_lose_nothing(tmp_path: Path) -> None:
    async def made() -> Any:
        return create_app("g", KafkaSettings(kafka_bootstrap="a:1,b:2"), tmp_path / "not" / "there").conf

    conf = asyncio.run(made())
    assert conf.id == "g"
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert conf.agent_supervisor is mode.CrashingSupervisor
    assert (conf.stream_wait_empty, conf.topic_allow_declare, conf.topic_disable_leader) == (True, False, True)
    assert (conf.web_enabled, conf.table_standby_replicas) == (False, 0)
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.broker_rebalance_timeout > HANDLER_SECONDS
    assert conf.broker_max_poll_interval > 14 * 86_400, "a member that leaves for want of polls never comes back"
    assert Path(conf.datadir).parent.is_dir()


def test_faust_reads_nothing_and_hands_nothing_on_that_would_stay_in_memory() -> None:
    class Message:
        key, value = b"\xff", b"\x00bad"

    schema = RawSchema()
    assert (schema.loads_key(None, Message), schema.loads_value(None, Message)) == (None, None)
