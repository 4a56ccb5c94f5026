"""The GPU runtime on a broker that does not check who owns a partition when its offsets are committed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from deploy.local import ports
from deploy.local.artifacts import artifacts_of, cache_folder, fetch
from deploy.local.errors import DownloadFailed
from deploy.local.kafka import Kafka
from tests.integration import test_gpu_commits, test_gpu_runtime, test_gpu_suspects
from tests.integration.faust_process import until
from tests.integration.gpu import GpuGroup, create_topics, job, member
from tests.integration.test_gpu_suspects import members

ALIKE = (
    test_gpu_runtime.test_a_second_member_joins_and_leaves_without_loss_or_duplicate,
    test_gpu_runtime.test_kill_and_restart_lose_nothing_and_repeat_nothing_visible,
    test_gpu_runtime.test_a_process_whose_id_was_taken_ends,
    test_gpu_suspects.test_a_record_that_ends_every_process_is_quarantined_and_its_neighbours_are_not,
    test_gpu_suspects.test_preemption_leaves_no_mark,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Apache Kafka 4.1, of this module alone."""
    try:
        jars = fetch(artifacts_of("kafka-4.1"), cache_folder())
    except DownloadFailed as error:
        pytest.skip(f"Kafka 4.1 cannot be fetched: {error}")
    started = Kafka(tmp_path_factory.mktemp("older"), ports.choose(Kafka.port_names, {}, {}), jars, owned=True)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def group(broker: Kafka) -> GpuGroup:
    made, _ = create_topics(broker.address)
    return replace(made, partition_epochs=False)


@pytest.mark.parametrize("holds", ALIKE, ids=lambda each: each.__name__.removeprefix("test_"))
def test_what_holds_on_the_newest_broker_holds_here(holds: Callable[[GpuGroup], None], group: GpuGroup) -> None:
    holds(group)


def test_without_the_setting_for_it_a_member_says_which_one_is_missing(
    group: GpuGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not ready any more, and nothing is lost: the next one finds the jobs."""
    with member(replace(group, partition_epochs=True), "first", drain_seconds=0.1) as first:
        group.publish(job())
        group.await_results(1)
        with member(group, "second"):
            until("the second has its part", lambda: members(group) == 2)
            group.publish(*(job() for _ in range(20)))
            until("the first says so", lambda: "SCRIBE_KAFKA_PARTITION_EPOCHS=false" in caplog.text)
            assert first.service.ready() is not None
    with member(group, "third"):
        assert len(group.await_results(21)) == 21


def test_a_commit_that_nobody_confirmed_is_not_repeated(group: GpuGroup) -> None:
    test_gpu_commits.test_each_result_is_there_once(group, test_gpu_commits.LosesTheAnswer)
