"""What the bench of observability says of its numbers; the full run asks for at most 5 %."""

import subprocess
import sys

import pytest

from tests.bench.observability import commands, interval


def test_the_interval_is_that_of_the_mean() -> None:
    """Of ten values with a mean of 0.02 and a standard deviation of 0.01."""
    values = [0.02 + 0.01 * (0.9486833 if number % 2 else -0.9486833) for number in range(10)]
    mean, low, high = interval(values)
    assert mean == pytest.approx(0.02)
    assert high - mean == pytest.approx(2.262 * 0.01 / 10**0.5, rel=1e-3)
    assert mean - low == pytest.approx(high - mean)


def test_a_number_of_pairs_between_two_of_the_table_makes_the_interval_wider() -> None:
    values = [0.01 * (number % 2) for number in range(18)]
    mean, _, high = interval(values)
    assert high - mean >= 2.110 * (sum((v - mean) ** 2 for v in values) / 17) ** 0.5 / 18**0.5


def test_the_blind_service_has_the_same_processes() -> None:
    seeing, blind = commands(blind=False), commands(blind=True)
    assert {name: words[1:] for name, words in blind.items()} == dict(seeing)


def test_a_blind_process_counts_and_says_nothing() -> None:
    code = (
        "from tests.bench.unobserved import blind; blind()\n"
        "import logging; from schemas import metrics; from schemas.process.logs import bound; from sink.process import tracing\n"
        "metrics.JOBS_FAILED.labels(kind='x').inc(); metrics.JOB_DURATION.observe(1)\n"
        "with bound(job_id='x'), tracing.span('x') as span: logging.getLogger('x').error('x'); span.set('a', 1)\n"
        "with metrics.WEBHOOK_SECONDS.time(): pass\n"
        "from prometheus_client import generate_latest\n"
        "assert b'job_duration_seconds_count 0.0' in generate_latest()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
