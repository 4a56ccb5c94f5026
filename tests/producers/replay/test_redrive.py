"""Which dead letters can go back, as far as it shows without the database."""

import pytest

from producers.replay.redrive import WAYS_BACK, prepare
from schemas.topics import DIARIZERS, ENHANCE, GROUPS, JOBS, PERSIST, READS, RESULTS, TENANTS, TRANSCRIBERS, TRANSCRIPTS
from schemas.wire.headers import Origin
from sink.jobs.replay_log import ReplayRejection
from sink.objects.s3 import S3ObjectStore
from tests.producers.replay.test_dead_letters import HERE, SERDE, dead
from tests.samples import SAMPLES


@pytest.mark.parametrize("group", GROUPS)
def test_what_a_group_reads_it_may_get_back_but_policies(group: str, object_store: S3ObjectStore) -> None:
    for topic in READS[group]:
        letter = dead(SERDE.encode(SAMPLES["JobRequested-full"]), group=group, origin=Origin(topic, 0, 0))
        refused = prepare(SERDE, object_store, [letter]).refused
        object_store.put("acme/call.wav", b"x", content_type="audio/wav")
        assert refused == ({HERE: ReplayRejection.NO_ORIGIN} if topic == TENANTS else {})


@pytest.mark.parametrize(
    ("group", "topic"),
    [(TRANSCRIBERS, RESULTS), (DIARIZERS, JOBS), (ENHANCE, TRANSCRIPTS), (PERSIST, "scribe.control"), ("nobody", JOBS)],
)
def test_a_forged_origin_opens_no_other_topic(group: str, topic: str, object_store: S3ObjectStore) -> None:
    """A stranger's record must not become a result, a policy or an order by an operator's hand."""
    letter = dead(SERDE.encode(SAMPLES["TenantPolicy-full"]), group=group, origin=Origin(topic, 0, 0))
    prepared = prepare(SERDE, object_store, [letter])
    assert (list(prepared.items), prepared.refused) == ([], {HERE: ReplayRejection.NO_ORIGIN})
    assert topic not in WAYS_BACK.get(group, ())


@pytest.mark.parametrize("value", [b"nonsense", b"", b"\x00\x00\x00\xff\xffx", None])
@pytest.mark.parametrize("group", GROUPS)
def test_what_nobody_can_read_goes_back_only_when_that_is_demanded(
    group: str, value: bytes | None, object_store: S3ObjectStore
) -> None:
    """It would only come back; where the group's new processes can read it, an operator may say so."""
    letter = dead(value, group=group, origin=Origin(min({*READS[group]} - {TENANTS}), 0, 0))
    assert prepare(SERDE, object_store, [letter]).refused == {HERE: ReplayRejection.UNREADABLE}
    demanded = prepare(SERDE, object_store, [letter], unreadable=True)
    assert (len(demanded.items), demanded.refused) == (1, {})
