"""A Faust worker that misbehaves on demand: `python -m tests.integration.faust_worker '<Script as JSON>'`.

It prints START n and DONE n for every record it handles, n being the offset, or the number that the event carries.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import faust
import mode

from schemas.errors import Outage, Permanent, Transient
from schemas.events import JobRequested
from schemas.settings.kafka import KafkaSettings
from schemas.wire.serde import Serde
from streams.runtime.app import RawSchema, create_app
from streams.runtime.event_loop import EventLoop


@dataclass(frozen=True)
class Script:
    """What a worker does; `actions` by number of the record, `release` is a file that ends holds and outages."""

    bootstrap: str
    group: str
    topic: str
    dlq: str
    folder: str
    release: str
    body: str = "recipe"
    concurrency: int = 1
    crashing: bool = True
    wait_empty: bool = True
    instance: str | None = "only"
    actions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Actions:
    def __init__(self, script: Script, app: faust.App) -> None:
        self._script = script
        self._app = app
        self._tries: dict[int, int] = {}

    async def perform(self, number: int) -> str:
        say("START", number)
        self._tries[number] = self._tries.get(number, 0) + 1
        match self._script.actions.get(str(number)):
            case "boom":
                raise ValueError("boom")
            case "permanent":
                raise Permanent("source_changed", "on purpose")
            case "transient" if self._tries[number] < 3:
                raise Transient("on purpose")
            case "outage" if not self._released():
                raise Outage("on purpose")
            case "hold":
                while not self._released():
                    await asyncio.sleep(0.05)
            case "hold until the stop":
                while self._app.flow_control.is_active():
                    await asyncio.sleep(0.05)
        say("DONE", number)
        return "done"

    def _released(self) -> bool:
        return Path(self._script.release).exists()


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def compose(script: Script) -> faust.App:
    app = create_app(
        script.group,
        KafkaSettings(kafka_bootstrap=script.bootstrap),
        Path(script.folder),
        instance_id=script.instance,
        broker_commit_interval=0.3,
        broker_session_timeout=45.0,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=30.0,
        stream_wait_empty=script.wait_empty,
        agent_supervisor=mode.CrashingSupervisor if script.crashing else mode.OneForOneSupervisor,
    )
    recipe = EventLoop(app, Serde(), script.group, script.dlq)
    actions = Actions(script, app)

    async def handle(event: JobRequested) -> str:
        return await actions.perform(int(event.recording_id or -1))

    @app.agent(app.topic(script.topic, schema=RawSchema()), name="cases", concurrency=script.concurrency)
    async def cases(stream: Any) -> None:
        if script.body == "recipe":
            await recipe.run(stream, JobRequested, handle)
            return
        async for event in stream.noack().events():
            await actions.perform(event.message.offset)
            event.ack()

    return app


async def composed(script: Script) -> faust.App:
    return compose(script)


def main(script: Script) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = loop.run_until_complete(composed(script))
    worker = faust.Worker(app, loop=loop, quiet=True, loglevel="warn", redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    main(Script(**json.loads(sys.argv[1])))
