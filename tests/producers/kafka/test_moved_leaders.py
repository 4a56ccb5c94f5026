"""Questions to Kafka are asked again while a leader moves, and only then."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from producers.kafka import moved_leaders
from producers.kafka.moved_leaders import ask_again

MOVES = KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
REFUSES = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moved_leaders, "PAUSE", 0.0)


def answering(*answers: KafkaException | int) -> Callable[[float], int]:
    """What a broker says of one question, one after the other."""
    left = list(answers)

    def ask(seconds: float) -> int:
        assert seconds > 0
        answer = left.pop(0)
        if isinstance(answer, KafkaException):
            raise answer
        return answer

    return ask


def test_a_leader_that_moves_is_asked_again() -> None:
    assert ask_again(answering(MOVES, MOVES, 7), seconds=60) == 7


def test_what_will_not_pass_is_raised_at_once() -> None:
    with pytest.raises(KafkaException) as raised:
        ask_again(answering(REFUSES, 7), seconds=60)
    assert raised.value is REFUSES


def test_a_leader_that_never_comes_is_raised_when_the_time_is_over() -> None:
    with pytest.raises(KafkaException) as raised:
        ask_again(answering(MOVES, 7), seconds=-1)
    assert raised.value is MOVES
