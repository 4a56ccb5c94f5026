"""How fast records are sent again, and what they need that may be over."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from producers.replay.replayer import BATCH, RateLimit, ReplayItem, gone
from schemas.wire.headers import Origin
from schemas.wire.object_keys import upload_key
from schemas.wire.records import Record
from sink.jobs.replay_log import ReplayRequest
from sink.objects.s3 import S3ObjectStore
from tests.samples import AT


@given(st.floats(0.01, 1e6), st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_never_more_than_the_rate_and_one_batch(rate: float, work: list[float]) -> None:
    """However long each batch takes."""
    pace, now, sent = RateLimit(rate), 100.0, 0
    for seconds in work:
        now += pace.pause(pace.batch, now)
        assert sent <= rate * (now - 100.0) * (1 + 1e-9) + 1e-6
        sent += pace.batch
        now += seconds


@given(st.floats(0.01, 1e6))
def test_a_batch_is_what_fits_a_second(rate: float) -> None:
    assert 1 <= RateLimit(rate).batch <= max(1, min(BATCH, rate))
    assert RateLimit(None).batch == BATCH


def test_without_a_rate_nobody_waits() -> None:
    pace = RateLimit(None)
    assert [pace.pause(BATCH, now) for now in (0.0, 0.0, 5.0)] == [0.0, 0.0, 0.0]


def test_only_what_is_ours_to_keep_can_be_over(object_store: S3ObjectStore) -> None:
    """Addresses of strangers, of other buckets and of other tenants are not looked at: the stage judges them."""
    upload = uuid4()
    for key in (upload_key("acme", upload), "acme/there.wav"):
        object_store.put(key, b"x", content_type="audio/wav")
    uris = {
        f"upload://{upload}": False,
        f"upload://{uuid4()}": True,
        "upload://nonsense": False,
        object_store.uri("acme/there.wav"): False,
        object_store.uri("acme/over.wav"): True,
        object_store.uri("globex/other.wav"): False,
        "s3://another-bucket/acme/a.wav": False,
        "https://media.example/a.wav": False,
        "": False,
    }
    items = [
        ReplayItem(
            ReplayRequest(place=Origin("t", 0, number), at=AT, tenant="acme"), lambda _: Record("t", None, None), (uri,)
        )
        for number, uri in enumerate(uris)
    ]
    over = gone(object_store, items)
    assert {uri: items[number].request.place in over for number, uri in enumerate(uris)} == uris
    assert gone(object_store, []) == set()
