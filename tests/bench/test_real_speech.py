"""The scores of the bench for real speech, and its short way: stand-in models on a recording of ours."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.local.models.training.registry import FILE as MODELS
from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.core.speech.merge import Turn
from producers.transcripts.subtitles import Cue
from schemas.transcript import Segment, Transcript, Word
from tests.bench.alternating_voices import Sentence, conversation
from tests.bench.real_speech.__main__ import app
from tests.bench.real_speech.cue_scores import CueLimits, cue_limits
from tests.bench.real_speech.listening import Duration
from tests.bench.real_speech.measuring import HEARERS, FoundSpeakers, HeardBy, Measured, Speakers
from tests.bench.real_speech.product import decoded
from tests.bench.real_speech.references import Spoken, UnusableFolder, recordings
from tests.bench.real_speech.report import faults
from tests.bench.real_speech.speaker_scores import (
    DiarizationErrors,
    RightSpeakers,
    attributed,
    diarization_errors,
    right_speakers,
    spans_of,
    words_of,
)
from tests.bench.real_speech.word_scores import Fidelity, WordErrors, fidelity, normalized, word_errors
from tests.recordings import MONO
from tests.system.sound import write_wav

SECONDS = 8.0  # of a recording of ours


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ("Hello there, Ann.", "hello there ann", WordErrors(3)),
        ("Hello there, Ann.", "Hello, their!", WordErrors(3, substituted=1, deleted=1)),
        ("L’homme n'a pas", "l'homme n’a pas", WordErrors(5)),
        ("one", "well [music] one (laughs) more", WordErrors(1, inserted=2)),
        ("two words", "", WordErrors(2, deleted=2)),
        ("", "Thank you.", WordErrors(0, inserted=2)),
        ("", "...", WordErrors(0)),
    ],
)
def test_words_are_counted_without_signs_and_case(reference: str, text: str, expected: WordErrors) -> None:
    assert word_errors(reference, text) == expected


@given(st.text(), st.text())
def test_errors_of_words_are_as_many_as_differ(reference: str, text: str) -> None:
    """Never fewer than the lengths differ by, never more than both are long; none for the same text."""
    found = word_errors(reference, text)
    wanted, said = len(normalized(reference).split()), len(normalized(text).split())
    errors = found.substituted + found.deleted + found.inserted
    assert found.words == wanted
    assert abs(wanted - said) <= errors <= max(wanted, said)
    assert word_errors(reference, reference) == WordErrors(wanted)


def spoken(*texts: str, language: str = "en") -> Transcript:
    segments = tuple(Segment(start=float(n), end=n + 1.0, text=text) for n, text in enumerate(texts))
    return Transcript(language=language, duration=float(len(texts)), segments=segments)


FIRST = [" The open-source project costs $1,250.50.", " It's five o'clock."]
AGAIN = " Nobody's coat."


@pytest.mark.parametrize(
    ("texts", "heard_again", "torn", "foreign"),
    [
        (("The open-source project costs $1,250.50.", "It's five", "o'clock."), 0, (), ()),
        (("costs $1,250.50. It's five o'clock.",), 0, (), ()),  # over two windows
        (("The open -source project",), 0, ("open", "-source"), ("The open -source project",)),
        (("The open-source", "project costs$1,250.50."), 0, ("costs$1,250.50.",), ("project costs$1,250.50.",)),
        (("It's Nobody's coat. five",), 1, (), ()),
        (("five project",), 0, (), ("five project",)),  # words of the model in no order of it
    ],
)
def test_a_transcript_is_what_the_model_wrote(
    texts: tuple[str, ...], heard_again: int, torn: tuple[str, ...], foreign: tuple[str, ...]
) -> None:
    found = fidelity(spoken(*texts), FIRST, [FIRST[0], AGAIN, FIRST[1]])
    assert found == Fidelity(len(texts), heard_again, torn, foreign)


def test_scripts_without_blanks_are_parted_anywhere() -> None:
    found = fidelity(spoken("彼は3.5%", "と言った。", language="ja"), ["彼は3.5%と言った。"], ["彼は3.5%と言った。"])
    assert found == Fidelity(2)
    assert fidelity(spoken("彼が", language="ja"), ["彼は"], ["彼は"]).foreign == ("彼が",)


words = st.lists(st.text("abc'-", min_size=1, max_size=4), min_size=1, max_size=12)


@given(words, st.data())
def test_any_cut_between_words_is_faithful_and_any_within_one_is_not(written: list[str], data: st.DataObject) -> None:
    text = [" " + " ".join(written)]
    cut = data.draw(st.integers(0, len(written)))
    parts = [" ".join(part) for part in (written[:cut], written[cut:]) if part]
    assert fidelity(spoken(*parts), text, text) == Fidelity(len(parts))
    torn = " ".join([*written[:cut], "c_", "d_"])
    assert {"c_", "d_"} <= set(fidelity(spoken(torn), text, text).torn)


TRUTH = (Spoken(start=0, end=4, speaker="Ann"), Spoken(start=3, end=8, speaker="Bob"))


@pytest.mark.parametrize(
    ("turns", "missed", "invented", "confused"),
    [
        ([Turn(0, 4, "1"), Turn(3, 8, "2")], 0, 0, 0),
        ([Turn(0, 4, "2"), Turn(4, 8, "1")], 1, 0, 0),  # of two at once, one
        ([Turn(0, 4, "1"), Turn(3, 8, "2"), Turn(8, 10, "2")], 0, 2, 0),
        ([Turn(0, 8, "1")], 1, 0, 3),
        ([], 9, 0, 0),
    ],
)
def test_seconds_with_a_wrong_speaker(turns: list[Turn], missed: float, invented: float, confused: float) -> None:
    found = diarization_errors(TRUTH, turns, 10.0)
    assert (found.seconds, found.missed, found.invented, found.confused) == pytest.approx(
        (9, missed, invented, confused)
    )


def test_words_are_right_with_whoever_speaks_in_their_middle() -> None:
    """Two of three, since the third is said while Bob speaks; the last one nobody says."""
    at = ((1.0, "S1"), (3.5, "S2"), (6.0, "S1"), (9.0, "S1"))
    segments = tuple(
        Segment(start=t, end=t + 0.4, text="w", speaker=s, words=(Word(start=t, end=t + 0.4, text="w", speaker=s),))
        for t, s in at
    )
    turns = (*segments[:1], replace(segments[0], start=0.0, end=4.0), *segments[1:])
    made = Transcript(language="en", duration=10.0, segments=turns)
    assert right_speakers(TRUTH, spans_of(made), words_of(made)) == RightSpeakers(right=3, judged=4)


def test_stock_words_go_to_the_turns_that_overlap_them_most() -> None:
    """And to nobody where no turn is: nothing is mended that the libraries leave open."""
    words = [Word(start=start, end=end, text="w") for start, end in ((0.5, 1.0), (1.8, 2.4), (7.0, 7.2))]
    turns = [Turn(0.0, 2.0, "1"), Turn(2.0, 5.0, "2")]
    assert [word.speaker for word in attributed(words, turns)] == ["1", "2", None]
    assert [word.speaker for word in attributed(words, [])] == [None] * 3


def test_the_worst_cue_counts() -> None:
    cues = [Cue(0, 1, ("a" * 20,)), Cue(1, 8.5, ("a" * 42, "b" * 43)), Cue(9, 10, ("hello",), "Ann", "Ann")]
    assert cue_limits(cues) == CueLimits(3, 7.5, 85, 20.0, 1)
    assert cue_limits([]) == CueLimits()


def heard_by(wrong: int, cpu: float, text: str = "w") -> HeardBy:
    return HeardBy(text, WordErrors(100, substituted=wrong), Duration(cpu, cpu))


def measured(
    wrong: int = 5, confused: float = 8.0, cpu: float = 20.0, product: str = "w", cues: CueLimits | None = None
) -> Measured:
    """A recording of 100 words and 100 seconds: stock has 5 of them wrong and 8 seconds; hearing it once takes 20 s."""
    hearers = {name: heard_by(5, 20.0) for name in HEARERS}
    found, stock = (
        FoundSpeakers(2, DiarizationErrors(100.0, confused=seconds), RightSpeakers()) for seconds in (confused, 8.0)
    )
    return Measured(
        name="talk",
        seconds=100.0,
        language="en",
        heard={**hearers, "product": heard_by(wrong, cpu, product)},
        speech=100.0,
        uncovered=0.0,
        fidelity=Fidelity(),
        cues=cues or CueLimits(),
        diarizing=Duration(),
        whole=Duration(),
        speakers=Speakers(2, found, stock, Duration()),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (measured(), []),
        (measured(wrong=6), ["in total: 6.0 % of the words wrong, 5.0 % by sequential"]),
        (measured(confused=8.9), []),
        (measured(confused=9.1), ["in total: a DER of 9.1 %, 8.0 % by stock"]),
        (measured(cpu=22.9), []),
        (measured(cpu=23.1), ["where once is enough: 23.1 s of the processor, 20.0 without a second hearing"]),
        (measured(cpu=50.0, product="w more"), []),  # it brought something
        (measured(cues=CueLimits(above=2)), ["talk: 2 cues that are too long"]),
    ],
)
def test_what_is_worse_than_stock_is_a_fault(found: Measured, expected: list[str]) -> None:
    assert faults([found]) == expected


def test_a_fault_of_one_recording_may_be_made_up_for_by_another() -> None:
    assert faults([measured(wrong=6, confused=10.0, cpu=25.0), measured(wrong=4, confused=6.0, cpu=20.0)]) == []


def test_voices_speak_in_the_order_that_is_asked_for() -> None:
    """As long as one of them has more to say; the reference is the order in which they are heard."""
    say = {
        voice: [Sentence(f"{voice}{n}", "en", np.full(1600, 0.1, np.float32)) for n in range(count)]
        for voice, count in (("x", 3), ("y", 1))
    }
    made = conversation(say, "ab", 0.5)
    assert made.reference()["text"] == "x0 y0 x1 x2"
    assert [turn[:3] for turn in made.turns][1] == pytest.approx((0.6, 0.7, "y"))
    assert len(made.samples) == 4 * (1600 + 8000)
    assert conversation(say, "aab", 0.0).reference()["text"] == "x0 x1 y0 x2"


def folder(path: Path, references: Mapping[str, Any]) -> Path:
    (path / "references.json").write_text(json.dumps(references))
    return path


@pytest.mark.parametrize(
    ("references", "only", "message"),
    [
        (None, (), "there is no .*references.json"),
        ({}, (), "names no recording"),
        ({"a.mp3": {}}, (), "not in .*: a.mp3"),
        ({"a.mp3": {"turns": [{"start": 0}]}}, (), "a.mp3.turns.0.end: Field required"),
        ({"talk.mp3": {}}, ("tolk.mp3",), "begins with 'tolk.mp3'; did you mean `talk.mp3`"),
    ],
)
def test_a_folder_that_cannot_be_measured_says_why(
    references: dict[str, Any] | None, only: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    made = tmp_path if references is None else folder(tmp_path, references)
    with pytest.raises(UnusableFolder, match=message):
        recordings(made, only)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "whisper-tiny-espeek"], "did you mean `whisper-tiny-espeak`"),
        (["--diarizer", "whisper-tiny-espeak"], "known: diarizer-tiny-espeak, none"),
        (["--models-file", "/nowhere.toml"], "SCRIBE_MODELS_FILE"),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], message: str, tmp_path: Path) -> None:
    made = folder(tmp_path, {})
    ended = CliRunner().invoke(app, [str(made), "--models-file", str(MODELS), *arguments], terminal_width=300)
    assert ended.exit_code == 2
    assert message in " ".join(ended.output.split())


@pytest.mark.models
def test_the_short_way(tmp_path: Path) -> None:
    """All that is measured, on the beginning of a recording of ours."""
    said = [turn for turn in MONO.said if turn.end < SECONDS]
    samples, _ = decoded(MONO.path, tmp_path)
    write_wav(samples[: round((said[-1].end + 0.2) * SAMPLE_RATE)], tmp_path / "talk.wav")
    text = " ".join(turn.text for turn in said)
    made = folder(tmp_path, {"talk.wav": {"text": text, "language": "en", "turns": [asdict(turn) for turn in said]}})
    ended = CliRunner().invoke(app, [str(made), "--models-file", str(MODELS), "--device", "cpu", "--json"])
    assert ended.exit_code == 0, ended.output
    (run,) = json.loads(ended.stdout)
    (talk,) = run["recordings"]
    assert talk["heard"].keys() == {"product", "once", "sequential", "batched"}
    for heard in talk["heard"].values():
        assert heard["errors"]["words"] == len(text.split())
        assert heard["duration"]["seconds"] > 0
    assert _errors(talk["heard"]["product"]["errors"]) <= 0.2 * len(text.split())
    assert run["faults"] == []
    assert talk["fidelity"]["segments"] > 1
    speakers = talk["speakers"]
    assert speakers["true"] == 2
    for found in (speakers["product"], speakers["stock"]):
        assert found["count"] == 2
        assert found["words"]["judged"] > 10
        assert (
            sum(found["errors"][part] for part in ("missed", "invented", "confused")) < 0.3 * found["errors"]["seconds"]
        )
    assert speakers["product"]["words"]["right"] >= 0.9 * speakers["product"]["words"]["judged"]
    assert talk["cues"]["count"] > 1
    assert all(talk[part]["seconds"] > 0 for part in ("diarizing", "whole"))


def _errors(found: Mapping[str, int]) -> int:
    return found["substituted"] + found["deleted"] + found["inserted"]
