"""Decoding of an untrusted file to samples at 16 kHz: the entry to `gpu_consumers.audio`'s containers and channels.

The container is detected by its bytes, opened by path with that one demuxer and no protocol but `file`, and decoded
frame by frame into an .npy file of float32 [samples, channels]; limits apply to decoded data, never to a header's
values. Headers have two uses: announced data must be present, and time stamps place silence.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gpu_consumers.audio.channels.arrangement import active_seconds, arrange
from gpu_consumers.audio.formats.announced import LEAST_MISSING, shortfall
from gpu_consumers.audio.formats.container_sniffing import WAV
from gpu_consumers.audio.formats.npy import NpyWriter, load
from gpu_consumers.audio.formats.probing import Probed, probe
from gpu_consumers.audio.libav import tracks_of
from gpu_consumers.audio.reading import TrackFacts, TrackReader
from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.audio.timeline import Timeline, timeline, with_silence
from gpu_consumers.audio.tracks import Track, in_order, is_spoken, others_warning
from schemas.errors import Permanent
from schemas.events import Channels

__all__ = ["Decoded", "decode", "load"]

MIN_SECONDS = 0.2
LEAST_LOSS = 0.05  # seconds; less is the edge between two files that were joined


@dataclass(frozen=True, slots=True)
class Decoded:
    """The content of the .npy file: seconds, channels (several only when kept separate), and losses."""

    duration: float
    channels: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sound:
    """A decoded track: its properties, positions of silence, seconds of sound and seconds lost."""

    track: Track
    facts: TrackFacts
    timeline: Timeline
    seconds: float
    lost: float

    @property
    def duration(self) -> float:
        """Seconds including the inserted silence."""
        return self.seconds + self.timeline.inserted / SAMPLE_RATE

    @property
    def whole(self) -> float:
        """Seconds including what was lost."""
        return self.duration + self.lost - self.timeline.filled


def decode(
    source: Path,
    target: Path,
    channels: Channels,
    max_seconds: float,
    progress: Progress,
    *,
    track: str | None = None,
) -> Decoded:
    """Decode the recording `source` into the .npy file `target`.

    `progress` is told seconds of work after every frame and may raise to stop. `track` is the number of an audio track,
    from 1, or a language; without it the one with the default flag is heard, or the one with most sound. Raises Permanent:
    media_empty, not_media, media_no_audio, media_no_track, media_too_short, media_too_long, media_truncated.
    """
    probed = probe(source)
    if (missing := probed.announced.missing()) is not None:
        raise Permanent("media_truncated", missing)
    tracks = tracks_of(source, probed)
    attempt = _Attempt(source, probed, target, max_seconds, _summed(progress))
    sound = attempt.best(in_order(tracks, track))
    short = _check_length(sound, probed)
    samples = load(target)
    arrangement = arrange(samples, sound.facts.positions, channels)
    if arrangement.changes or sound.timeline.silences:
        blocks = with_silence(arrangement.blocks(samples), sound.timeline.silences, arrangement.channels)
        _rewrite(target, blocks, max_seconds)
    warnings = (*_loss_warnings(sound, probed), *short, *arrangement.warnings, *others_warning(tracks, sound.track))
    return Decoded(sound.duration, arrangement.channels, warnings)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Decodes one track after the other into `target` until one is to be heard."""

    source: Path
    probed: Probed
    target: Path
    max_seconds: float
    progress: Callable[[], Progress]

    def best(self, tracks: tuple[Track, ...]) -> _Sound:
        """The first decodable track that has the default flag and is spoken on, else the one with most sound."""
        decodable: list[tuple[float, _Sound]] = []
        failure: Permanent | None = None
        for track in tracks:
            try:
                sound = self._decoded(track)
            except Permanent as error:
                if error.code == "media_too_long" or len(tracks) == 1:
                    raise
                failure = failure or error
                continue
            if len(tracks) == 1:
                return sound
            active = active_seconds(load(self.target))
            if track.default and is_spoken(active, sound.seconds):
                return sound
            decodable.append((active, sound))
        if not decodable:
            raise failure or Permanent("media_no_audio")
        _, most = max(decodable, key=lambda each: each[0])
        return most if most.track is tracks[-1] else self._decoded(most.track)  # the file has what was decoded last

    def _decoded(self, track: Track) -> _Sound:
        reader = TrackReader(self.source, self.probed, track)
        progress = self.progress()
        with self.target.open("w+b") as file:
            writer = NpyWriter(file, self.max_seconds)
            for block in reader.blocks():
                writer.write(block)
                progress(writer.seconds)
            writer.close()
        facts = reader.facts
        if not writer.samples and facts.damaged:
            raise Permanent("not_media", f"nothing in this {self.probed.container.name} could be decoded")
        announced = facts.announced if self.probed.container.announces else 0.0
        times = timeline(facts.marks, writer.samples, announced, self.max_seconds)
        return _Sound(track, facts, times, writer.seconds, times.lost + reader.lost_since)


def _summed(progress: Progress) -> Callable[[], Progress]:
    """Create a progress callback for each of several passes over a file; each continues where the one before ended."""
    done = 0.0

    def begin() -> Progress:
        start = done

        def report(seconds: float) -> None:
            nonlocal done
            done = start + seconds
            progress(done)

        return report

    return begin


def _rewrite(target: Path, blocks: Iterable[Samples], max_seconds: float) -> None:
    """Replace the file by blocks computed from its content."""
    arranged = target.with_name(f"{target.name}.arranged")
    try:
        with arranged.open("w+b") as file:
            writer = NpyWriter(file, max_seconds)
            for block in blocks:
                writer.write(block)
            writer.close()
        arranged.replace(target)
    finally:
        arranged.unlink(missing_ok=True)


def _check_length(sound: _Sound, probed: Probed) -> tuple[str, ...]:
    """A warning about announced sound that is missing; raises Permanent when that is much, or when there is hardly any."""
    heard, announced = sound.whole, probed.announced.length(sound.whole)
    if probed.container.announces:
        heard = max(sound.facts.reached, heard)
        announced = sound.facts.announced
    if (missing := shortfall(heard, announced)) is not None:
        raise Permanent("media_truncated", missing)
    if sound.duration < MIN_SECONDS:
        raise Permanent("media_too_short", f"{sound.duration:.2f} seconds")
    if announced - heard < LEAST_MISSING:
        return ()
    return (f"{announced - heard:.1f} of {announced:.1f} seconds that the header announces are missing in the file",)


def _loss_warnings(sound: _Sound, probed: Probed) -> tuple[str, ...]:
    """Warnings for readers of the transcript about lost audio, in seconds."""
    found = []
    if sound.lost >= LEAST_LOSS:
        found.append(f"{sound.lost:.1f} of {sound.whole:.1f} seconds of the recording are damaged and were not heard")
    if sound.timeline.jumps:
        jumps = ", ".join(f"{jump:.0f}" for jump in sound.timeline.jumps[:3])
        found.append(f"time stamps that jump by {jumps} seconds were passed over: times after them may be early")
    behind = probed.announced.seconds_behind
    unheard = probed.container != WAV or probed.announced.parted
    if probed.announced.behind and unheard and (behind is None or behind >= LEAST_LOSS):
        amount = f"{probed.announced.behind} bytes" if behind is None else f"{behind:.1f} seconds"
        found.append(f"{amount} of the recording lie behind the end that its header announces and were not heard")
    return tuple(found)
