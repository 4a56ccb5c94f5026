"""Decoding: every container we promise, and everything a stranger may send instead."""

import re
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from gpu_consumers.audio.decode import Decoded, decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.errors import NotOwner, Permanent
from schemas.events import Channels
from sink.objects.disk import is_full
from tests.media_files import CODECS, RATE, Sound, encoded, in_turn, muxed, silent_film, tone, voice, wave


def decoded(tmp_path: Path, body: bytes, channels: Channels = Channels.AUTO, limit: float = 60.0) -> Decoded:
    source = tmp_path / "recording"
    source.write_bytes(body)
    return decode(source, tmp_path / "samples.npy", channels, limit, lambda _: None)


def heard(tmp_path: Path) -> Samples:
    """What was decoded last, in memory: the next one overwrites the file."""
    return np.array(load(tmp_path / "samples.npy"))


def code_of(tmp_path: Path, body: bytes, limit: float = 60.0) -> str:
    with pytest.raises(Permanent) as caught:
        decoded(tmp_path, body, limit=limit)
    return caught.value.code


@pytest.mark.parametrize("container", [*CODECS])
def test_every_promised_container_is_decoded(tmp_path: Path, container: str) -> None:
    """Mono 16 kHz of the right length in which the tone is still the tone."""
    result = decoded(tmp_path, encoded(tone(3.0), container))
    samples = heard(tmp_path)
    assert samples.shape == (round(result.duration * SAMPLE_RATE), 1)
    assert samples.dtype == np.float32
    assert result.duration == pytest.approx(3.0, abs=0.15)
    assert result.warnings == ()
    middle = samples[SAMPLE_RATE : 2 * SAMPLE_RATE, 0]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=2)


VOICE = voice(12.0)
LOUDNESS = float(np.sqrt(np.mean(VOICE**2)))
CALL = in_turn(VOICE, voice(12.0, 210.0, seed=1))


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def later(samples: np.ndarray, seconds: float) -> np.ndarray:
    return np.pad(samples, (round(seconds * RATE), 0))[: len(samples)]


def test_two_people_on_two_channels_are_split(tmp_path: Path) -> None:
    """Each channel as it was."""
    result = decoded(tmp_path, encoded(CALL))
    samples = heard(tmp_path)
    assert (result.channels, samples.shape[1], result.warnings) == (2, 2, ())
    second = samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]
    assert loudness(second[:, 0]) < 0.01 * loudness(second[:, 1])


@pytest.mark.parametrize(
    "other",
    [VOICE, 0.6 * VOICE, 0.2 * VOICE, -VOICE, later(VOICE, 0.0005), later(VOICE, 0.1), -later(0.3 * VOICE, 0.01)],
    ids=["same", "softer", "-14 dB", "inverted", "half a millisecond", "100 ms", "all of it"],
)
@pytest.mark.parametrize("wish", [Channels.AUTO, Channels.MIX])
def test_one_voice_on_two_channels_is_heard_once(tmp_path: Path, other: np.ndarray, wish: Channels) -> None:
    """Whatever its level, sign and delay are on the other channel, and none of it is cancelled."""
    result = decoded(tmp_path, encoded(np.stack([VOICE, other], axis=1)), wish)
    assert (result.channels, result.warnings) == (1, ())
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.35)


@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_channel_is_told_and_the_live_one_is_heard_like_mono(tmp_path: Path, dead: int) -> None:
    """Silence or the hiss of an open input; several people may be on the other one."""
    hiss = 1e-3 * np.random.default_rng(1).standard_normal(len(VOICE)).astype(np.float32)
    for nothing in (0 * VOICE, hiss):
        channels = [VOICE, nothing] if dead else [nothing, VOICE]
        result = decoded(tmp_path, encoded(np.stack(channels, axis=1)))
        assert result.channels == 1
        assert result.warnings == (f"channel {dead + 1} of 2 holds nothing but silence or noise",)
        assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.1)


def test_a_line_that_lets_the_other_one_through_is_muted_meanwhile(tmp_path: Path) -> None:
    """Else each sentence would be written twice; what the channel's own person says stays."""
    leaking = (CALL + 0.1 * CALL[:, ::-1]).astype(np.float32)
    assert decoded(tmp_path, encoded(leaking)).channels == 2
    samples = heard(tmp_path)
    first, second = samples[: 2 * SAMPLE_RATE], samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]
    assert loudness(second[6000:-6000, 0]) < 1e-3
    assert loudness(second[:, 1]) == pytest.approx(loudness(load_mono(CALL[2 * RATE : 4 * RATE, 1], tmp_path)), rel=0.1)
    assert loudness(first[6000:-6000, 1]) < 1e-3


def load_mono(samples: np.ndarray, tmp_path: Path) -> Samples:
    decoded(tmp_path, encoded(samples))
    return heard(tmp_path)


def test_jobs_may_order_what_becomes_of_channels(tmp_path: Path) -> None:
    """Any number of channels is heard each alone where a job wants it."""
    assert decoded(tmp_path, encoded(CALL), Channels.MIX).channels == 1
    assert decoded(tmp_path, encoded(np.stack([VOICE, VOICE], axis=1)), Channels.SPLIT).channels == 2
    assert decoded(tmp_path, encoded(tone(1.0)), Channels.SPLIT).channels == 1
    four = in_turn(*(voice(8.0, hertz) for hertz in (110, 140, 180, 220)))
    assert decoded(tmp_path, wave(four), Channels.SPLIT).channels == 4
    samples = heard(tmp_path)
    for channel in range(4):
        turn = samples[2 * channel * SAMPLE_RATE : 2 * (channel + 1) * SAMPLE_RATE]
        assert np.argmax([loudness(column) for column in turn.T]) == channel


def test_more_channels_than_are_read_are_refused(tmp_path: Path) -> None:
    """With the number that is."""
    with pytest.raises(Permanent, match="17 channels, at most 16") as caught:
        decoded(tmp_path, wave(np.stack([VOICE[:RATE]] * 17, axis=1)), Channels.SPLIT)
    assert caught.value.code == "not_media"


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("layout", [False, True], ids=["without a layout", "5.1"])
def test_a_voice_on_any_channel_of_many_is_heard(tmp_path: Path, place: int, layout: bool) -> None:
    """Also where six microphones call themselves 5.1, whose fourth channel no downmix hears."""
    hiss = 1e-4 * np.random.default_rng(1).standard_normal((len(VOICE), 6)).astype(np.float32)
    hiss[:, place] += VOICE
    result = decoded(tmp_path, encoded(hiss, "flac") if layout else wave(hiss))
    assert result.channels == 1
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.15)


def test_the_voice_of_a_film_is_in_the_centre(tmp_path: Path) -> None:
    """Music around it and rumble below it are softer than there; equal channels stay what they are."""
    chance = np.random.default_rng(2)
    around = 0.5 * voice(12.0, 300.0, seed=3) + 0.02 * chance.standard_normal(len(VOICE)).astype(np.float32)
    rumble = 0.5 * tone(12.0, 50.0)
    film = np.stack([around, around, VOICE, rumble, around, around], axis=1)
    assert decoded(tmp_path, encoded(film, "flac")).channels == 1
    mix = heard(tmp_path)[:, 0]
    alone = load_mono(VOICE, tmp_path)[:, 0]
    assert np.corrcoef(mix, alone)[0, 1] > 0.9
    assert decoded(tmp_path, encoded(np.stack([VOICE] * 6, axis=1), "flac")).channels == 1
    assert heard(tmp_path)[:, 0] == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "media_empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "not_media"),
        (b'{"error": "expired"}', "not_media"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_media"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_media"),
        (b"MZ\x90\x00" + bytes(100), "not_media"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not_media"),
        (b"OggS" + bytes(200), "not_media"),
        (b"fLaC" + bytes(200), "not_media"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "not_media"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(200), "not_media"),
        (silent_film(), "media_no_audio"),
        (encoded(tone(0.1)), "media_too_short"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else value,
)
def test_what_is_no_recording_says_why(tmp_path: Path, body: bytes, code: str) -> None:
    assert code_of(tmp_path, body) == code


@pytest.mark.parametrize(
    ("container", "options"),
    [
        *(("wav", {}), ("wav", {"rf64": "always"}), ("w64", {}), ("aiff", {}), ("caf", {}), ("au", {})),
        *(("flac", {}), ("mp3", {}), ("matroska", {}), ("webm", {})),
        *(("mp4", {"movflags": "faststart"}), ("mp4", {}), ("ipod", {})),
    ],
)
def test_a_cut_off_file_is_told(tmp_path: Path, container: str, options: dict[str, str]) -> None:
    """These containers announce their length; half a file is not a recording that happens to be short."""
    body = encoded(tone(10.0), container, options=options)
    assert code_of(tmp_path, body[: len(body) // 2]) == "media_truncated"


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "adpcm_ms"), ("wav", "adpcm_ima_wav"), ("wav", "libmp3lame"), ("caf", "alac")],
)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_cut_off_file_of_compressed_sound_is_told(tmp_path: Path, container: str, codec: str, part: float) -> None:
    """Whatever its header says of bytes a second, and also where only what lies behind the sound is missing."""
    body = muxed(container, Sound(tone(20.0), codec))
    assert decoded(tmp_path, body).duration == pytest.approx(20.0, abs=0.2)
    assert code_of(tmp_path, body[: round(part * len(body))]) == "media_truncated"


def test_samples_that_are_not_heard_are_told_in_seconds(tmp_path: Path) -> None:
    """A second chunk of them; what a demuxer reads whatever is announced is no loss."""
    more = wave(VOICE[: 2 * RATE])
    result = decoded(tmp_path, wave(VOICE) + more[more.index(b"data") :])
    assert any(
        "seconds of the recording lie behind the end that its header announces" in each for each in result.warnings
    )
    sun = bytearray(encoded(VOICE, "au"))
    sun[8:12] = struct.pack(">I", RATE * 2 * 4)
    result = decoded(tmp_path, bytes(sun))
    assert result.duration == pytest.approx(12.0, abs=0.01)
    assert result.warnings == ()


@pytest.mark.parametrize("container", ["ogg", "mp3", "adts"])
def test_a_stream_that_ends_early_is_a_shorter_recording(tmp_path: Path, container: str) -> None:
    """These containers know no length: whatever is there is the recording."""
    body = encoded(tone(10.0), container, options={"write_xing": "0"} if container == "mp3" else {})
    assert 3.0 < decoded(tmp_path, body[: len(body) // 2]).duration < 7.0


@pytest.mark.parametrize("container", ["adts", "mp3", "flac", "ogg", "matroska"])
def test_damage_in_the_middle_is_silence_and_told_in_seconds(tmp_path: Path, container: str) -> None:
    """What follows is where it was; how long the loss is depends on how much a container puts into one piece."""
    body = encoded(VOICE, container)
    start, stop = len(body) // 2, len(body) * 5 // 8
    garbage = np.random.default_rng(1).integers(0, 256, stop - start, np.uint8).tobytes()
    result = decoded(tmp_path, body[:start] + garbage + body[stop:])
    assert result.duration == pytest.approx(12.0, abs=0.6)
    (warning,) = result.warnings
    said = re.fullmatch(r"([\d.]+) of ([\d.]+) seconds of the recording are damaged and were not heard", warning)
    assert said is not None
    lost, total = map(float, said.groups())
    assert 1.0 < lost < 6.5
    assert total == pytest.approx(12.0, abs=0.7)
    samples = heard(tmp_path)[:, 0]
    whole = load_mono(VOICE, tmp_path)[:, 0]
    end = slice(-2 * SAMPLE_RATE, -SAMPLE_RATE // 2)
    assert offset_of(samples[end], whole[end]) < 0.6


def offset_of(samples: np.ndarray, other: np.ndarray) -> float:
    """Seconds between two recordings of the same."""
    size = len(samples) + len(other)
    shifted = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(other, size)), size)
    peak = int(np.argmax(shifted))
    return min(peak, size - peak) / SAMPLE_RATE


def first_sound(samples: np.ndarray, since: float = 0.0) -> float:
    """When something is to be heard from `since` on, in seconds."""
    start = round(since * SAMPLE_RATE)
    return since + int(np.argmax(np.abs(samples[start:]) > 0.01)) / SAMPLE_RATE


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_sound_that_begins_after_the_pictures_is_where_it_belongs(tmp_path: Path, container: str) -> None:
    result = decoded(tmp_path, muxed(container, Sound(VOICE, delays={0.0: 5.0}), film=True))
    assert result.duration == pytest.approx(17.0, abs=0.1)
    assert result.warnings == ()
    whole = first_sound(load_mono(VOICE, tmp_path)[:, 0])
    decoded(tmp_path, muxed(container, Sound(VOICE, delays={0.0: 5.0}), film=True))
    assert first_sound(heard(tmp_path)[:, 0]) == pytest.approx(5.0 + whole, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "libmp3lame"), ("webm", "libopus"), ("mp4", "aac")])
def test_a_pause_of_the_recorder_is_silence(tmp_path: Path, container: str, codec: str) -> None:
    """What follows is where the container says, and a pause is no loss."""
    result = decoded(tmp_path, muxed(container, Sound(VOICE, codec, delays={4.0: 20.0})))
    assert result.duration == pytest.approx(32.0, abs=0.1)
    assert result.warnings == ()
    samples = heard(tmp_path)[:, 0]
    assert loudness(samples[round(4.2 * SAMPLE_RATE) : round(23.8 * SAMPLE_RATE)]) < 1e-3
    assert loudness(samples[round(24.0 * SAMPLE_RATE) :]) == pytest.approx(LOUDNESS, rel=0.3)


def test_a_jump_of_days_is_passed_over_and_told(tmp_path: Path) -> None:
    result = decoded(tmp_path, muxed("matroska", Sound(VOICE, "libopus", delays={4.0: 300_000.0})), limit=1e6)
    assert result.duration == pytest.approx(12.0, abs=0.1)
    (warning,) = result.warnings
    assert warning.startswith("time stamps that jump by 300000 seconds were passed over")


def test_an_audiobook_with_chapters_is_a_recording(tmp_path: Path) -> None:
    """Chapters are a stream of data behind the sound, of a kind that the library has no decoder for."""
    result = decoded(tmp_path, muxed("ipod", Sound(VOICE), chapters=(5.0, 12.0)))
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert result.warnings == ()


def test_the_first_track_that_is_not_silent_is_heard(tmp_path: Path) -> None:
    """The flag of the default one does not make a silent one heard; what was not heard is named."""
    film = muxed("mp4", Sound(0 * VOICE), Sound(VOICE, language="heb"), film=True)
    result = decoded(tmp_path, film)
    assert result.warnings == ("audio track 2 (heb) was heard; not heard: track 1",)
    assert loudness(heard(tmp_path)) == pytest.approx(LOUDNESS, rel=0.1)


def test_the_default_track_is_heard_before_others(tmp_path: Path) -> None:
    tracks = Sound(VOICE, "libopus", default=False, title="Comment\u202etary\n"), Sound(VOICE, "libopus", default=True)
    result = decoded(tmp_path, muxed("matroska", *tracks))
    assert result.warnings == ("audio track 2 was heard; not heard: track 1 ('Comment tary')",)


def test_a_track_may_be_chosen(tmp_path: Path) -> None:
    source = tmp_path / "recording"
    silent, loud, soft = 0 * VOICE, VOICE, 0.2 * VOICE
    tracks = [Sound(sound, "libopus", language=tag) for sound, tag in ((loud, "eng"), (silent, "heb"), (soft, "heb"))]
    source.write_bytes(muxed("matroska", *tracks))
    target = tmp_path / "samples.npy"
    for wanted, level, number in (("1", 1.0, 1), ("2", 0.0, 2), ("3", 0.2, 3), ("en", 1.0, 1), ("he", 0.2, 3)):
        result = decode(source, target, Channels.AUTO, 60.0, lambda _: None, track=wanted)
        assert loudness(load(target)) == pytest.approx(level * LOUDNESS, rel=0.1)
        assert result.warnings[-1].startswith(f"audio track {number} (")
    with pytest.raises(Permanent, match="no such audio track: 4; there are 3") as caught:
        decode(source, target, Channels.AUTO, 60.0, lambda _: None, track="4")
    assert caught.value.code == "media_no_track"


def test_silent_tracks_are_a_silent_recording(tmp_path: Path) -> None:
    result = decoded(tmp_path, muxed("matroska", Sound(0 * VOICE, "libopus"), Sound(0 * VOICE, "libopus")))
    assert result.duration == pytest.approx(12.0, abs=0.1)


def test_a_link_of_a_chain_that_lacks_the_track_is_told_in_seconds(tmp_path: Path) -> None:
    """It is the one that a job has chosen, or the first that is not silent; what other links have of it is heard."""
    two = muxed("ogg", Sound(0 * VOICE, "libopus"), Sound(VOICE, "libopus"))
    one = muxed("ogg", Sound(0 * VOICE, "libopus"))
    for body, seconds in ((two + one, 12.0), (two + one + two, 24.0)):
        result = decoded(tmp_path, body)
        assert result.duration == pytest.approx(seconds, abs=0.5)  # what is lost is silence, as long as its bytes tell
        assert re.match(r"\d+\.\d of \d+\.\d seconds of the recording are damaged", result.warnings[0])
        assert "audio track 2 was heard" in result.warnings[1]


@pytest.mark.parametrize("place", ["middle", "end"])
def test_a_page_of_ogg_that_cannot_be_read_is_told_in_seconds(tmp_path: Path, place: str) -> None:
    """Also in front of the last one, whose time stamp is not that of its sound."""
    body = muxed("ogg", Sound(VOICE, "libopus"))
    pages = [match.start() for match in re.finditer(b"OggS", body)]
    at = pages[-2 if place == "end" else len(pages) // 2] + 300
    result = decoded(tmp_path, body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :])
    (warning,) = result.warnings
    assert 0.3 < float(warning.split()[0]) < 2.5


PLAIN_MP3 = encoded(VOICE, "mp3", options={"write_xing": "0", "id3v2_version": "0"})
PICTURE = b"ID3\x04\0\0" + bytes([0, 0x7F, 0x7F, 0x7F]) + bytes(range(256)) * 8192  # its length is 2 MB - 1


@pytest.mark.parametrize(
    "front",
    [
        bytes(4096),
        bytes(3_000_000),
        np.random.default_rng(1).integers(1, 255, 30_000, np.uint8).tobytes(),
        b"\xff\xfb" * 500,
        PICTURE[: 10 + (1 << 21) - 1],
        b"ID3\x03\0\0\0\0\0\x05hello" + bytes(500),
        b"APETAGEX" + struct.pack("<IIII8x", 2000, 40, 1, 0xA0000000) + bytes(range(40)),
    ],
    ids=["zeros", "3 MB of zeros", "noise", "false syncs", "a picture of 2 MB", "a tag and padding", "an APE tag"],
)
def test_a_stream_is_found_behind_what_is_none(tmp_path: Path, front: bytes) -> None:
    assert decoded(tmp_path, front + PLAIN_MP3).duration == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp4", "ipod", "matroska"])
def test_padding_in_front_of_any_container_is_passed_over(tmp_path: Path, container: str) -> None:
    result = decoded(tmp_path, bytes(5001) + encoded(VOICE, container))
    assert result.duration == pytest.approx(12.0, abs=0.1)
    assert result.warnings == ()


def test_streams_that_are_joined_are_heard_one_after_the_other(tmp_path: Path) -> None:
    """Ogg of different codecs too, at which the demuxer gives up."""
    opus, flac = encoded(VOICE, "ogg"), encoded_ogg_flac(VOICE)
    result = decoded(tmp_path, opus + flac + opus)
    assert result.duration == pytest.approx(36.0, abs=0.1)
    assert result.warnings == ()
    assert decoded(tmp_path, PLAIN_MP3 + PLAIN_MP3).duration == pytest.approx(24.0, abs=0.2)


def encoded_ogg_flac(samples: np.ndarray) -> bytes:
    return muxed("ogg", Sound(samples, "flac"))


def test_what_cannot_be_read_at_the_end_is_told_in_seconds(tmp_path: Path) -> None:
    """A stream of which only the first page is left behind another one."""
    opus = encoded(VOICE, "ogg")
    torn = encoded_ogg_flac(VOICE).replace(b"OggS", b"XXXX").replace(b"XXXX", b"OggS", 1)
    result = decoded(tmp_path, opus + torn)
    assert result.duration == pytest.approx(12.0, abs=0.2)
    (warning,) = result.warnings
    assert "seconds of the recording are damaged" in warning


@pytest.mark.parametrize(
    "header", [{"data": 0}, {"data": 0, "riff": 0}, {"data": 0xFFFFFFFF, "riff": 0xFFFFFFFF}, {"data": 4 * 2 * RATE}]
)
def test_a_wav_is_read_to_its_end_whatever_its_header_says(tmp_path: Path, header: dict[str, int]) -> None:
    """Streaming writers leave none or the largest number, and a header may be written after four of twelve seconds."""
    assert decoded(tmp_path, wave(VOICE, **header)).duration == pytest.approx(12.0, abs=0.01)


def test_chunks_behind_the_samples_are_no_sound(tmp_path: Path) -> None:
    body = wave(VOICE) + b"LIST" + struct.pack("<I", 40_000) + b"INFO" + b"\xff\x7f" * 19_998
    assert decoded(tmp_path, body).duration == pytest.approx(12.0, abs=0.01)


@pytest.mark.parametrize("container", ["w64", "aiff", "au", "caf"])
def test_sound_behind_an_announced_end_is_told(tmp_path: Path, container: str) -> None:
    body = encoded(VOICE, container) + (1000 * np.ones(3 * RATE, "<i2")).tobytes()
    result = decoded(tmp_path, body)
    assert result.duration == pytest.approx(12.0, abs=3.1)
    if result.duration < 14.0:
        assert any("3.0 seconds of the recording lie behind the end" in warning for warning in result.warnings)


def test_an_error_of_any_kind_in_the_library_is_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as memory and file are there: those are ours."""
    source, target = tmp_path / "recording", tmp_path / "samples.npy"
    source.write_bytes(encoded(VOICE))

    def open_with(error: Exception) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(av, "open", fail)

    for error in (
        AttributeError("x"),
        IndexError("x"),
        AssertionError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    ):
        open_with(error)
        with pytest.raises(Permanent) as caught:
            decode(source, target, Channels.AUTO, 60.0, lambda _: None)
        assert caught.value.code == "not_media"
    open_with(MemoryError())
    with pytest.raises(MemoryError):
        decode(source, target, Channels.AUTO, 60.0, lambda _: None)


def test_nothing_is_left_beside_the_samples(tmp_path: Path) -> None:
    """Not of several passes, and not of one that was stopped in between."""
    decoded(tmp_path, muxed("matroska", Sound(0 * VOICE, "libopus"), Sound(CALL, "libopus", delays={4.0: 20.0})))
    assert {path.name for path in tmp_path.iterdir()} == {"recording", "samples.npy"}
    assert code_of(tmp_path, encoded(np.stack([VOICE, VOICE], axis=1)), limit=5.0) == "media_too_long"
    assert {path.name for path in tmp_path.iterdir()} == {"recording", "samples.npy"}


def test_a_file_that_is_gone_is_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "recording", tmp_path / "samples.npy", Channels.AUTO, 60.0, lambda _: None)


def test_length_is_counted_not_believed(tmp_path: Path) -> None:
    """An hour of silence is half a megabyte: the limit counts what comes out of the decoder."""
    assert code_of(tmp_path, encoded(tone(20.0), "ogg"), limit=5.0) == "media_too_long"


def test_a_wav_whose_writer_did_not_know_its_length_is_whole(tmp_path: Path) -> None:
    """Streaming writers leave the largest number where the length belongs."""
    body = bytearray(encoded(tone(2.0)))
    at = body.index(b"data") + 4
    body[at : at + 4] = b"\xff\xff\xff\xff"
    assert decoded(tmp_path, bytes(body)).duration == pytest.approx(2.0, abs=0.1)


def test_absurd_rates_are_refused(tmp_path: Path) -> None:
    """A sample a second would make a gigabyte of samples from one frame."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 1036, b"WAVE", b"fmt ", 16, 1, 1, 1, 1, 1, 8, b"data", 1000)
    assert code_of(tmp_path, header + bytes(1000)) == "not_media"


def test_decoding_can_be_stopped(tmp_path: Path) -> None:
    """What `progress` raises passes."""
    source = tmp_path / "recording"
    source.write_bytes(encoded(tone(5.0), "ogg"))

    def stop(_: float) -> None:
        raise NotOwner("gone")

    with pytest.raises(NotOwner):
        decode(source, tmp_path / "samples.npy", Channels.AUTO, 60.0, stop)


def test_names_and_playlists_open_nothing_else(tmp_path: Path) -> None:
    """A file named like a playlist, holding one, is never followed."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded(tone(2.0)))
    source = tmp_path / "x.m3u8"
    source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(Permanent) as caught:
        decode(source, tmp_path / "samples.npy", Channels.AUTO, 60.0, lambda _: None)
    assert caught.value.code == "not_media"
    assert "playlist" in caught.value.message


def test_rates_and_lengths_survive(tmp_path: Path) -> None:
    """8 kHz telephone audio has the same length afterwards."""
    assert decoded(tmp_path, encoded(tone(3.0, rate=8000), rate=8000)).duration == pytest.approx(3.0, abs=0.02)
    assert RATE != SAMPLE_RATE


def test_a_full_disk_is_not_the_recordings_fault(tmp_path: Path) -> None:
    """It passes as it is: whoever keeps the folder decides what becomes of it."""
    (tmp_path / "samples.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        decoded(tmp_path, encoded(tone(3.0)))
    assert is_full(caught.value)
