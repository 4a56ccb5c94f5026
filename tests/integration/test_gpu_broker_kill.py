"""The broker dies under a running GPU group and comes back."""

from deploy.local.stack import Stack
from tests.integration.gpu import create_topics, duplicates, job, member


def test_a_killed_broker_costs_neither_results_nor_gpu_work(private_stack: Stack) -> None:
    """Results wait in memory, the consumer stays, and nothing runs twice."""
    group, _ = create_topics(private_stack.kafka_bootstrap)
    group.publish(*(job(fake_seconds="0.05") for _ in range(100)))
    with member(group) as running:
        assert len(group.await_results(20)) >= 20
        private_stack.kafka.kill()
        private_stack.kafka.start()
        results = group.await_results(100, seconds=150)
        assert group.await_no_lag() == 0
        assert running.stage.runs == 100
    assert len(results) == 100
    assert not duplicates(group.job_results())
