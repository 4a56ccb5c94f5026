"""Hypothesis strategies for the values of the service."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from schemas.events import Channels, JobRequested, Options, Priority, Source, Task
from schemas.transcript import Segment, Transcript, Word

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
seconds = st.floats(0, 36_000, allow_nan=False)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds must be naive


def requests() -> st.SearchStrategy[JobRequested]:
    """Any request that the wire can hold, sensible or not."""
    options = st.builds(
        Options,
        model=st.none() | texts,
        language=st.none() | texts,
        task=st.sampled_from(Task),
        diarize=st.booleans(),
        num_speakers=st.none() | st.integers(-5, 100),
        channels=st.sampled_from(Channels),
        prompt=st.none() | texts,
        track=st.none() | texts,
    )
    return st.builds(
        JobRequested,
        job_id=st.uuids(),
        run=st.integers(1, 1000),
        tenant=texts,
        source=st.builds(Source, uri=texts, name=st.none() | texts),
        options=options,
        priority=st.sampled_from(Priority),
        requested_at=times,
        expires_at=st.none() | times,
        metadata=st.dictionaries(texts, texts, max_size=3),
    )


def transcripts() -> st.SearchStrategy[Transcript]:
    """Transcripts of any shape; times are not in order."""
    words = st.builds(
        Word,
        start=seconds,
        end=seconds,
        text=texts,
        probability=st.none() | st.floats(0, 1),
        space_before=st.none() | st.booleans(),
        language=st.none() | texts,
    )
    segments = st.builds(
        Segment,
        start=seconds,
        end=seconds,
        text=texts,
        speaker=st.none() | texts,
        words=st.lists(words, max_size=3).map(tuple),
        language=st.none() | texts,
    )
    return st.builds(
        Transcript,
        language=texts,
        duration=seconds,
        segments=st.lists(segments, max_size=4).map(tuple),
        warnings=st.lists(texts, max_size=2).map(tuple),
        speech=st.none() | seconds,
        uncovered=st.none() | seconds,
    )
