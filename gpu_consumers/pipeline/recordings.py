"""A job's recording as samples: fetched and decoded once, shared with the next stage through the local cache."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gpu_consumers.audio.cache import AudioCache
from gpu_consumers.audio.decode import Decoded, decode
from gpu_consumers.audio.fetch import Fetched, Fetcher
from gpu_consumers.audio.samples import Progress, Samples
from gpu_consumers.pipeline.timings import Stopwatch
from schemas.events import JobRequested, Options, TenantPolicy, TranscriptReady

CHECK_SECONDS = 20.0  # of audio: decoding is hundreds of times faster


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples [samples, channels] with their properties; `fetched.path` lives as long as the job's folder."""

    samples: Samples
    decoded: Decoded
    fetched: Fetched


class Recordings:
    """Source of audio for both stages; may be used from several threads."""

    def __init__(self, fetcher: Fetcher, cache: AudioCache, max_seconds: float) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._max_seconds = max_seconds

    @contextmanager
    def fresh(
        self, request: JobRequested, policy: TenantPolicy, check: Callable[[], None], watch: Stopwatch
    ) -> Iterator[Recording]:
        """The recording of a new job, from a source that the tenant's `policy` allows.

        The recording is fetched even when its digest is announced and cached: knowing a digest grants no access to the
        content.
        """
        with self._cache.folder() as folder:
            with watch.measure("fetch"):
                fetched = self._fetcher.fetch(policy, request.source, folder / "recording", check)
            made: list[Decoded] = []
            with watch.measure("decode"):
                options = request.options
                samples = self._cache.add(
                    _key(fetched.sha256, options), self._maker(fetched.path, options, check, made)
                )
            yield Recording(samples, made[0], fetched)

    def keep(self, request: JobRequested, fetched: Fetched) -> str:
        """The s3:// address at which the next stage finds the recording, on any machine."""
        return self._fetcher.keep(request.tenant, request.job_id, fetched)

    def again(self, event: TranscriptReady, check: Callable[[], None]) -> Samples:
        """The recording of a job that was transcribed: from the cache, else fetched and decoded once more."""
        options = event.request.options
        key = _key(event.audio.sha256, options)
        if (samples := self._cache.get(key)) is not None:
            return samples
        with self._cache.folder() as folder:
            path = folder / "recording"
            self._fetcher.again(event.tenant, event.audio.uri, event.audio.sha256, path, check)
            return self._cache.add(key, self._maker(path, options, check, []))

    def _maker(
        self, source: Path, options: Options, check: Callable[[], None], made: list[Decoded]
    ) -> Callable[[Path], None]:
        def make(target: Path) -> None:
            progress = every(CHECK_SECONDS, check)
            made.append(decode(source, target, options.channels, self._max_seconds, progress, track=options.track))

        return make


def every(seconds: float, check: Callable[[], None]) -> Progress:
    """A progress callback that calls `check` once per so many seconds of audio."""
    due = 0.0

    def progress(done: float) -> None:
        nonlocal due
        if done >= due:
            due = done + seconds
            check()

    return progress


def _key(sha256: str, options: Options) -> str:
    """The cache key of a decoded recording: the digest of its file, and the selected track and channels."""
    return ".".join((sha256, *heard_of(options)))


def heard_of(options: Options) -> tuple[str, ...]:
    """The options of a job that select the sound to transcribe."""
    return (options.channels.value, *([options.track] if options.track else []))
