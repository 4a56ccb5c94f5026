"""What was measured, for people as tables and for programs as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from rich.table import Table

from tests.bench.real_speech.cue_scores import CueLimits
from tests.bench.real_speech.measuring import HEARERS, FoundSpeakers, Measured
from tests.bench.real_speech.speaker_scores import COLLAR, DiarizationErrors, RightSpeakers
from tests.bench.real_speech.word_scores import WordErrors

LEGEND = f"""\
product: the stages of scribe-gpu; once: its transcriber without the second hearing; sequential, batched: faster-whisper itself.
WER: words substituted, deleted and inserted per word of the reference, in lower case and without signs; deleted alone after /.
without words: seconds of speech that no word covers. torn, foreign: words and segments that the model did not write so.
stock: pyannote.audio itself, on the same weights; its words are those of sequential, given to the turns that overlap them most.
DER: missed, invented and confused seconds per second of speech, overlaps counted, without a collar (with {COLLAR} s).
s, cpu: seconds by the clock, and of the processor."""


MOST_DER_ABOVE = 0.01  # of stock's
MOST_SECOND_HEARING = 0.15  # of the processor's time, where it brings nothing
JUDGED_CPU, JUDGED_SPEECH = 10.0, 60.0  # seconds from which on both can be told from chance


def faults(measured: Sequence[Measured]) -> list[str]:
    """What may not be, whatever the weights: in each recording, and in all of them together beside the stock libraries."""
    return [*_own_faults(measured), *_worse_than_stock(measured)]


def _own_faults(measured: Sequence[Measured]) -> Iterator[str]:
    """Words where nobody speaks, texts that are not the model's, cues too long."""
    for item in measured:
        counts = {
            "words without speech": item.invented,
            "torn words": len(item.fidelity.torn),
            "segments that the model did not write": len(item.fidelity.foreign),
            "cues that are too long": item.cues.above,
        }
        yield from (f"{item.name}: {count} {what}" for what, count in counts.items() if count)


def _worse_than_stock(measured: Sequence[Measured]) -> Iterator[str]:
    """More words wrong than stock's, more time with a wrong speaker, more work for what was heard already."""
    wrong, stock = (_total(measured, hearer).rate or 0.0 for hearer in ("product", "sequential"))
    if wrong > stock:
        yield f"in total: {100 * wrong:.1f} % of the words wrong, {100 * stock:.1f} % by sequential"
    speakers = [item.speakers for item in measured if item.speakers is not None]
    found = _speaker_errors(each.product for each in speakers)
    der, stock_der = found.rate or 0.0, _speaker_errors(each.stock for each in speakers).rate or 0.0
    if found.seconds >= JUDGED_SPEECH and der > stock_der + MOST_DER_ABOVE:
        yield f"in total: a DER of {100 * der:.1f} %, {100 * stock_der:.1f} % by stock"
    enough = [item for item in measured if item.needs_no_second_hearing]
    twice, once = (sum(item.heard[hearer].duration.cpu for item in enough) for hearer in ("product", "once"))
    if once >= JUDGED_CPU and twice > (1 + MOST_SECOND_HEARING) * once:
        yield f"where once is enough: {twice:.1f} s of the processor, {once:.1f} without a second hearing"


def words_table(measured: Sequence[Measured]) -> Table:
    """Words, each hearer's, and what became of the model's text."""
    table = Table("recording", "words", *HEARERS, "without words", "again", "torn", "foreign", title="Words")
    for item in measured:
        errors = [item.heard[name].errors for name in HEARERS]
        table.add_row(item.name, *_words(errors, [_count(item, name) for name in HEARERS]), *_text(item))
    total = [_total(measured, name) for name in HEARERS]
    speech, uncovered = sum(item.speech for item in measured), sum(item.uncovered for item in measured)
    texts = [item.fidelity for item in measured]
    table.add_section()
    table.add_row(
        "in total",
        *_words(total, [""] * len(HEARERS)),
        f"{uncovered:.1f} of {speech:.0f} s",
        f"{sum(text.heard_again for text in texts)} of {sum(text.segments for text in texts)}",
        str(sum(len(text.torn) for text in texts)),
        str(sum(len(text.foreign) for text in texts)),
    )
    return table


def speakers_table(measured: Sequence[Measured]) -> Table:
    """Who spoke, where the reference says so: the product beside stock pyannote with the words of sequential."""
    headings = ("recording", "speakers", "found", "right words", "DER", "stock found", "right words", "DER")
    table = Table(*headings, title="Speakers")
    rows = [(item.name, item.speakers) for item in measured if item.speakers is not None]
    for name, found in rows:
        table.add_row(name, str(found.true), *_who([found.product]), *_who([found.stock]))
    table.add_section()
    every = [found for _, found in rows]
    table.add_row(
        "in total",
        str(sum(found.true for found in every)),
        *_who([found.product for found in every]),
        *_who([found.stock for found in every]),
    )
    return table


def cues_table(measured: Sequence[Measured]) -> Table:
    """Subtitles."""
    table = Table("recording", "cues", "longest s", "characters", "characters / s", "too long", title="Subtitles")
    for name, cues in [*((item.name, item.cues) for item in measured), ("in total", _cues(measured))]:
        table.add_row(
            name,
            str(cues.count),
            f"{cues.longest_seconds:.2f}",
            str(cues.longest_characters),
            f"{cues.fastest:.1f}",
            str(cues.above),
        )
    return table


def times_table(measured: Sequence[Measured]) -> Table:
    """How long each took, s / cpu."""
    headings = ("recording", "seconds", *HEARERS, "diarizer", "stock pyannote", "both stages")
    table = Table(*headings, title="Seconds / of the processor")
    names = ["in total", "where once is enough"]
    enough = [item for item in measured if item.needs_no_second_hearing]
    for name, items in [*((item.name, [item]) for item in measured), *zip(names, (measured, enough), strict=True)]:
        heard = [[item.heard[hearer].duration for item in items] for hearer in HEARERS]
        stock = [item.speakers.stock_duration for item in items if item.speakers is not None]
        spans = [*heard, [item.diarizing for item in items], stock, [item.whole for item in items]]
        seconds = ((sum(d.seconds for d in span), sum(d.cpu for d in span)) for span in spans)
        table.add_row(
            name, f"{sum(item.seconds for item in items):.0f}", *(f"{wall:.1f} / {cpu:.1f}" for wall, cpu in seconds)
        )
    return table


def as_json(model: str, diarizer: str | None, measured: Sequence[Measured]) -> dict[str, object]:
    """All of it, texts included."""
    totals = {name: asdict(_total(measured, name)) for name in HEARERS}
    return {
        "model": model,
        "diarizer": diarizer,
        "word_errors": totals,
        "faults": faults(measured),
        "recordings": [asdict(item) for item in measured],
    }


def _total(measured: Iterable[Measured], hearer: str) -> WordErrors:
    return sum((_errors(item, hearer) for item in measured), WordErrors())


def _speaker_errors(found: Iterable[FoundSpeakers]) -> DiarizationErrors:
    return sum((each.errors for each in found), DiarizationErrors())


def _errors(item: Measured, hearer: str) -> WordErrors:
    """Words that are invented where nobody speaks are no part of a rate."""
    errors = item.heard[hearer].errors
    return errors if errors is not None and errors.words else WordErrors()


def _count(item: Measured, hearer: str) -> str:
    return f"{len(item.heard[hearer].text.split())} words"


def _words(errors: Sequence[WordErrors | None], otherwise: Sequence[str]) -> list[str]:
    cells = [
        rest if found is None or found.rate is None else f"{100 * found.rate:.1f} % / {found.deleted}"
        for found, rest in zip(errors, otherwise, strict=True)
    ]
    return ["" if errors[0] is None else str(errors[0].words), *cells]


def _text(item: Measured) -> list[str]:
    text = item.fidelity
    return [
        f"{item.uncovered:.1f} of {item.speech:.0f} s",
        f"{text.heard_again} of {text.segments}",
        str(len(text.torn)),
        str(len(text.foreign)),
    ]


def _who(found: Sequence[FoundSpeakers]) -> list[str]:
    words = sum((each.words for each in found), RightSpeakers())
    share = "" if words.rate is None else f"{100 * words.rate:.1f} % of {words.judged}"
    return [
        str(sum(each.count for each in found)),
        share,
        _der(_speaker_errors(found)),
    ]


def _der(errors: DiarizationErrors) -> str:
    if errors.rate is None:
        return ""
    inside = "" if errors.rate_inside is None else f" ({100 * errors.rate_inside:.1f} %)"
    return f"{100 * errors.rate:.1f} %{inside}"


def _cues(measured: Iterable[Measured]) -> CueLimits:
    return sum((item.cues for item in measured), CueLimits())
