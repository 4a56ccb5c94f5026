"""Reader of one track as samples at 16 kHz, with marks wherever the container's time differs from the sound's.

Damage is passed over: what cannot be decoded, and what the demuxer cannot read, is counted in seconds.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from gpu_consumers.audio.formats.container_sniffing import OGG
from gpu_consumers.audio.formats.probing import Part, Probed
from gpu_consumers.audio.libav import check_ours, codec_of, form_fault, opened
from gpu_consumers.audio.resampling import Resampler
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.audio.timeline import MAX_MARKS, TOLERANCE, TimelineMark
from gpu_consumers.audio.tracks import Track
from schemas.errors import Permanent

log = logging.getLogger(__name__)

MAX_FAILURES = 16  # of a demuxer, one after another
TORN_BYTES = 1024  # between two packets that should lie side by side
TORN_SECONDS = 1.0  # of sound, within which a jump of time is the work of such a hole
QUIET_PACKETS = 256  # after so many that give no sound the caller is asked whether to go on


@dataclass(slots=True)
class TrackFacts:
    """Properties of a track after it was read.

    `positions`: names of the loudspeakers of the channels, "NONE" without a layout. `damaged`: parts that were passed
    over. `reached`, `announced`: seconds, of all tracks.
    """

    positions: tuple[str, ...] = ()
    marks: list[TimelineMark] = field(default_factory=list)
    damaged: int = 0
    reached: float = 0.0
    announced: float = 0.0


@dataclass(slots=True)
class _Ledger:
    """Bytes and seconds of decoded sound, to estimate the duration of bytes that could not be decoded."""

    bytes: int = 0
    seconds: float = 0.0

    def seconds_of(self, count: int) -> float:
        """The duration of so many bytes, 0 while it cannot be estimated."""
        return count * self.seconds / self.bytes if self.bytes else 0.0


class TrackReader:
    """Reads a track once; `facts` are complete after the last block."""

    def __init__(self, source: Path, probed: Probed, track: Track) -> None:
        self._source, self._probed, self._track = source, probed, track
        self.facts = TrackFacts()
        self._sound = 0.0  # seconds decoded so far
        self._base = 0.0  # of the container's time at the beginning of the part that is read
        self._ahead = 0.0  # of the last mark
        self._lost = 0.0  # since the last mark
        self._torn_at = -math.inf  # seconds of sound, where bytes were passed over
        self._torn_bytes = 0  # that were passed over there
        self._damage_at: int | None = None  # the sample in front of which something was lost last
        self._part = probed.parts[0]
        self._good = _Ledger()
        self._bad = _Ledger()  # since the last frame
        self._tag = 0  # bytes of a tag in the middle of a stream that are still to come
        self._place, self._place_bytes = -1, 0  # of the last packet
        self._codec: AudioCodecContext | None = None
        self._resampler = Resampler()

    def blocks(self) -> Iterator[Samples]:
        """Blocks [samples, channels] of all parts; raises Permanent(not_media)."""
        for number, part in enumerate(self._probed.parts):
            self._part = part
            try:
                yield from self._blocks_of(part, first=number == 0)
            except Permanent:
                if len(self._probed.parts) == 1:
                    raise
                self._lose_bytes(self._size_of(part))
        yield from self._safe(self._resampler.flush())

    def _blocks_of(self, part: Part, *, first: bool) -> Iterator[Samples]:
        with opened(self._source, self._probed, part) as media:
            self._begin(media, first=first)
            idle = 0
            for packet in self._packets(media):
                idle += 1
                for frame in self._decoded(packet):
                    for block in self._framed(frame):
                        idle = 0
                        yield block
                if idle >= QUIET_PACKETS:
                    idle = 0
                    yield np.empty((0, len(self.facts.positions) or 1), np.float32)

    def _begin(self, media: InputContainer, *, first: bool) -> None:
        """Append a part after the sound read so far."""
        start = (media.start_time or 0) / av.time_base
        self._place, self._place_bytes = -1, 0
        self._base = start if first else start - self._sound - self._ahead - self._lost
        if first:
            self.facts.announced = (media.duration or 0) / av.time_base

    def _lose_bytes(self, count: int) -> None:
        """Count unreadable bytes as lost before the next sound."""
        self.facts.damaged += 1
        self._lost += self._good.seconds_of(count)
        self._torn_at = self._sound

    def _size_of(self, part: Part) -> int:
        return (self._probed.size if part.stop is None else part.stop) - part.start

    def _packets(self, media: InputContainer) -> Iterator["Packet[Stream] | None"]:
        """All readable packets of the track; None where its decoder must be flushed."""
        if len(media.streams.audio) < self._track.number:  # a link of a chain may have fewer than the first
            raise Permanent("media_no_track", f"{self._track.number} in a later part")
        stream = media.streams.audio[self._track.number - 1]
        self._codec = codec_of(stream)
        failures, packets = 0, media.demux()
        while failures < MAX_FAILURES:
            try:
                packet = next(packets)
                mine = self._read(packet, stream.index)
            except StopIteration:
                self._find_uncounted()
                return
            except Exception as error:  # noqa: BLE001 - see libav
                check_ours(error, self._source)
                log.debug("cannot be read: %s", error)
                # a generator that has raised is over
                failures, packets = failures + 1, media.demux()
                continue
            failures = 0
            if mine:
                yield packet
        yield None
        if self._probed.container.sequential or not self._probed.container.clocked:
            self._lose_bytes(self._unread())

    def _find_uncounted(self) -> None:
        """Assign bytes that a demuxer skipped silently to the last seen damage, or to the end."""
        self._lose_torn()
        rest = self._unread()
        if rest <= TORN_BYTES:
            return
        if self._probed.container == OGG:  # what it does not know is behind the last page it knew
            self._lose_bytes(rest)
        if self._probed.container.clocked or self._damage_at is None:
            return
        seconds = self._good.seconds_of(rest)
        later = [mark for mark in self.facts.marks if mark.sample >= self._damage_at]
        before = self.facts.marks[: len(self.facts.marks) - len(later)]
        if not later or later[0].sample > self._damage_at:
            later.insert(
                0, TimelineMark(self._damage_at, self._damage_at / SAMPLE_RATE + (before[-1].ahead if before else 0.0))
            )
        moved = [replace(mark, seconds=mark.seconds + seconds) for mark in later]
        moved[0] = replace(moved[0], lost=moved[0].lost + seconds + self._lost)
        self._lost = 0.0
        self.facts.marks[:] = [*before, *moved]

    def _unread(self) -> int:
        """Bytes of the part after the last packet."""
        start = 0 if self._part.stop is not None else self._part.start
        return max(0, self._size_of(self._part) - (max(self._place, start) + self._place_bytes - start))

    def _read(self, packet: "Packet[Stream]", index: int) -> bool:
        """Note the position of a packet in the file and in time; returns whether it belongs to the track."""
        if packet.size and packet.pos is not None and packet.pos >= 0:
            if packet.pos != self._place:
                hole = packet.pos - self._place - self._place_bytes
                if self._probed.container.sequential and self._place >= 0 and hole > TORN_BYTES:
                    self._torn_at = self._sound
                    self._torn_bytes += hole if self._is_paged else 0
                self._place, self._place_bytes = packet.pos, 0
            self._place_bytes += packet.size
        if packet.pts is not None and packet.time_base:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self.facts.reached = max(self.facts.reached, end)
        return bool(packet.stream.index == index)

    def _decoded(self, packet: "Packet[Stream] | None") -> list[AudioFrame]:
        size = packet.size if packet is not None else 0
        seconds = 0.0
        try:
            if packet is not None:
                seconds = float((packet.duration or 0) * (packet.time_base or 0))
            frames = [] if self._codec is None else self._codec.decode(packet if size else None)
        except EOFError:  # it was emptied before
            return []
        except Exception as error:  # noqa: BLE001 - see libav
            if isinstance(error, MemoryError):
                check_ours(error, self._source)
            log.debug("cannot be decoded: %s", error)
            self.facts.damaged += 1
            if packet is not None:
                self._bad.bytes += self._without_tags(packet)
                self._bad.seconds += seconds
            return []
        if frames:
            self._good.bytes += size
            self._good.seconds += seconds
        return frames

    def _without_tags(self, packet: "Packet[Stream]") -> int:
        """Bytes of a packet that could be sound: joined files contain tags and pictures in between."""
        data = bytes(packet)
        at = data.find(b"ID3")
        if at >= 0 and len(data) >= at + 10:
            size = data[at + 6 : at + 10]
            self._tag = 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
            data, rest = data[:at], data[at:]
            self._tag = max(0, self._tag - len(rest))
            return len(data)
        passed = min(self._tag, len(data))
        self._tag -= passed
        return len(data) - passed

    def _framed(self, frame: AudioFrame) -> Iterator[Samples]:
        """A frame resampled to 16 kHz, its time noted."""
        try:
            fault = form_fault(frame.sample_rate, frame.layout.nb_channels)
            positions = tuple(channel.name for channel in frame.layout.channels)
            time = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
            seconds = frame.samples / max(1, frame.sample_rate)
        except Exception as error:  # noqa: BLE001 - see libav
            check_ours(error, self._source)
            self.facts.damaged += 1
            return
        if fault is not None:
            raise Permanent("not_media", fault)
        self._note(time)
        self._sound += seconds
        self.facts.positions = self.facts.positions or positions
        yield from self._safe(self._resampler.push(frame))

    def _safe(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        """Blocks up to the one at which the library fails."""
        try:
            yield from list(blocks)
        except Exception as error:  # noqa: BLE001 - see libav
            check_ours(error, self._source)
            self.facts.damaged += 1

    def _note(self, time: float | None) -> None:
        """Mark the beginning of a frame if its time is not what it should be."""
        if self._bad.bytes or self._bad.seconds:
            lost = self._bad.seconds
            if not self._probed.container.clocked:
                lost = max(lost, self._good.seconds_of(self._bad.bytes))
                self._base -= lost - self._bad.seconds
            self._lost += lost
            self._damage_at = round(self._sound * SAMPLE_RATE)
            self._bad = _Ledger()
        if time is None or not math.isfinite(time):
            return
        ahead = time - self._base - self._sound
        if abs(ahead - self._ahead) > TOLERANCE and len(self.facts.marks) <= MAX_MARKS:
            sample = round(self._sound * SAMPLE_RATE)
            self.facts.marks.append(TimelineMark(sample, self._sound + ahead, self._lost, self._torn))
            self._ahead, self._lost = ahead, 0.0
            self._torn_bytes = 0  # the time that is missing there is known now
        elif not self._torn:
            self._lose_torn()

    def _lose_torn(self) -> None:
        """Count skipped bytes as lost where the time stamps continue as if there had been none."""
        if self._torn_bytes:
            self.facts.damaged += 1
            self._lost += self._good.seconds_of(self._torn_bytes)
            self._torn_bytes = 0

    @property
    def _is_paged(self) -> bool:
        """Whether all bytes of the file belong to its packets; not for FLAC, whose packets are reassembled."""
        return self._probed.container == OGG and self._codec is not None and self._codec.name != "flac"

    @property
    def _torn(self) -> bool:
        # the packet that follows a hole may have begun before it and bear an earlier time
        return self._sound - self._torn_at <= TORN_SECONDS

    @property
    def lost_since(self) -> float:
        """Seconds lost since the last mark."""
        return self._lost + self._bad.seconds
