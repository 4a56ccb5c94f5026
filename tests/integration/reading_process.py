"""Reads a topic of one partition as a GPU group does, in a process of its own: how many records, and its largest memory."""

import json
import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from gpu_consumers.runtime.poll_loop import consumer_config
from schemas.settings.kafka import KafkaSettings


def main(bootstrap: str, topic: str) -> None:
    """Print the records and the megabytes in JSON."""
    consumer = Consumer(consumer_config(KafkaSettings(kafka_bootstrap=bootstrap), "reading", "reading"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = 0
    while (message := consumer.poll(1.0)) is None or message.error() is None:
        count += message is not None
    consumer.close()
    # not ru_maxrss, which begins with what the process that started this one had
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    megabytes = int(peak.split()[1]) // 1024
    sys.stdout.write(json.dumps({"records": count, "megabytes": megabytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
