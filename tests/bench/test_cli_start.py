"""Commands that only tell something start at once, by the CPU time of their processes."""

from tests.bench.cli_start import MOST_SECONDS, measured


def test_every_start_takes_less_than_its_share() -> None:
    found = measured(rounds=3)
    assert {line: seconds for line, seconds in found.items() if seconds >= MOST_SECONDS} == {}
