"""Reads a topic of one partition as a GPU group does, in a process of its own: how many records, and its largest memory."""

import json
import resource
import sys

from confluent_kafka import Consumer, TopicPartition

from gpu_consumers.consumer import consumer_config
from schemas.settings import KafkaSettings


def main(bootstrap: str, topic: str) -> None:
    """Print the records and the megabytes in JSON."""
    consumer = Consumer(consumer_config(KafkaSettings(kafka_bootstrap=bootstrap), "reading", "reading"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    count = 0
    while (message := consumer.poll(1.0)) is None or message.error() is None:
        count += message is not None
    consumer.close()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(json.dumps({"records": count, "megabytes": megabytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
