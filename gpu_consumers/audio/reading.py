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

from gpu_consumers.audio.formats.announced import announced
from gpu_consumers.audio.formats.container_sniffing import MATROSKA, OGG
from gpu_consumers.audio.formats.endings import empty_page_bytes
from gpu_consumers.audio.formats.ogg import LONGEST_HEADER, headers_end
from gpu_consumers.audio.formats.probing import TAGS, Part, Probed, tag_bytes
from gpu_consumers.audio.libav import check_ours, codec_of, form_fault, opened
from gpu_consumers.audio.resampling import Resampler
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.audio.timeline import MAX_MARKS, TOLERANCE, TimelineMark, delayed
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
        self._start = 0.0  # of the container's time at the beginning
        self._base = 0.0  # of the container's time at the beginning of the part that is read
        self._ahead = 0.0  # of the last mark
        self._lost = 0.0  # since the last mark
        self._torn_at = -math.inf  # seconds of sound, where bytes were passed over
        self._torn_bytes = 0  # that were passed over there
        self._front = probed.skipped  # bytes in front of the first sound
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
            before = self._sound, self._ahead
            try:
                yield from self._blocks_of(part, first=number == 0)
            except Permanent:
                if len(self._probed.parts) == 1:
                    raise
                self._lose_bytes(self._size_of(part))
            if len(self._probed.parts) > 1:
                self._lose_unheard(part, *before)
        self._find_front()
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
        if self._probed.container == OGG:
            self._place = self._headers_end()
        if first:
            self._start = start
            self.facts.announced = (media.duration or 0) / av.time_base

    def _headers_end(self) -> int:
        """The position where the sound of a part of an Ogg begins, counted as those of its packets."""
        with self._source.open("rb") as file:
            return headers_end(file, self._part.start) - (0 if self._part.stop is None else self._part.start)

    def _find_front(self) -> None:
        """Count what is missing in front of the first sound; where the time stamps say how long it is, put it back."""
        container, lost = self._probed.container, self._good.seconds_of(self._front)
        whole = self.facts.announced if container.announces else self._probed.announced.seconds
        expected = whole - self._sound - self._ahead if whole else lost
        if self._front and self._start > TOLERANCE and abs(self._start - expected) <= TORN_SECONDS:
            self.facts.marks[:] = delayed(self.facts.marks, self._start, lost)
        elif container == OGG or not container.clocked:
            self._lost += lost

    def _lose_unheard(self, part: Part, sound: float, ahead: float) -> None:
        """Count what a link of a chain announces and does not hold, from the seconds and the mark before it."""
        with self._source.open("rb") as file:
            seconds = announced(file, self._probed.container, part.start, self._probed.size).seconds
        if seconds is not None:
            self._lost += max(0.0, seconds - (self._sound - sound) - (self._ahead - ahead) - self._lost)

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
        container, untimed = self._probed.container, not self.facts.announced
        rest = self._unread()
        if rest <= (LONGEST_HEADER if container == OGG else TORN_BYTES):
            return
        if container == OGG or (container == MATROSKA and untimed):  # what it does not know is behind the last it knew
            self._lose_bytes(rest)
        if container.clocked:
            return
        if self._damage_at is None:
            self._lose_bytes(rest - self._tag_behind())
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

    def _tag_behind(self) -> int:
        """Bytes of the tag that follows the last packet."""
        with self._source.open("rb") as file:
            file.seek(self._place + self._place_bytes)
            return tag_bytes(file.read(32))

    def _unread(self) -> int:
        """Bytes of the part after the last packet."""
        start = 0 if self._part.stop is not None else self._part.start
        return max(
            0, self._size_of(self._part) - self._ending() - (max(self._place, start) + self._place_bytes - start)
        )

    def _ending(self) -> int:
        """Bytes at the end of the part that are known to be no sound."""
        if self._probed.container != OGG:
            return self._probed.ending
        with self._source.open("rb") as file:
            return empty_page_bytes(file, self._probed.size if self._part.stop is None else self._part.stop)

    def _read(self, packet: "Packet[Stream]", index: int) -> bool:
        """Note the position of a packet in the file and in time; returns whether it belongs to the track."""
        if packet.size and packet.pos is not None and packet.pos >= 0:
            if packet.pos != self._place:
                hole = packet.pos - self._place - self._place_bytes
                if self._probed.container.sequential and hole > TORN_BYTES and not self._sound:
                    self._front += hole
                elif self._probed.container.sequential and hole > TORN_BYTES:
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
                untagged = self._without_tags(packet)
                self._bad.bytes += untagged
                self._bad.seconds += seconds if untagged else 0.0
            return []
        if frames:
            self._good.bytes += size
            self._good.seconds += seconds
        return frames

    def _without_tags(self, packet: "Packet[Stream]") -> int:
        """Bytes of a packet that could be sound: joined files contain tags and pictures in between."""
        data = bytes(packet)
        found = [at for name in TAGS if (at := data.find(name)) >= 0]
        if found and (size := tag_bytes(data[(at := min(found)) :])):
            self._tag = max(0, size - (len(data) - at))
            return at
        passed = min(self._tag, len(data))
        self._tag -= passed
        # what stands behind the last frame is no sound either
        behind = (packet.pos or 0) + len(data) - (self._probed.size - self._probed.ending) if self._probed.ending else 0
        return max(0, len(data) - passed - max(0, behind))

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
            self._base -= self._undecoded - self._bad.seconds
            self._lost += self._undecoded
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
        return self._lost + self._undecoded

    @property
    def _undecoded(self) -> float:
        """Seconds of what could not be decoded since the last frame."""
        if self._probed.container.clocked:
            return self._bad.seconds
        return max(self._bad.seconds, self._good.seconds_of(self._bad.bytes))
