"""Pictures of the page for the documentation: the demo with real content, seen in light, dark, on a phone and in Hebrew.

`python -m tests.integration.page.screenshots` writes them where the documentation shows them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import av
import numpy as np
import typer
from confluent_kafka import Producer
from PIL import Image
from playwright.sync_api import Browser, expect

from deploy.local.demo import RECORDINGS
from producers.client import Client
from producers.client.models.revisions import SegmentEdit
from schemas.topics import JOBS
from tests.integration.page.visits import PageVisit, launched, visiting
from tests.media_files import wave

FOLDER = Path(__file__).parents[3] / "producers" / "pictures"
MOST_BYTES = 150_000
COLOURS = 256
WIDE, HIGH, PHONE = {"width": 1000, "height": 720}, {"width": 1000, "height": 980}, {"width": 375, "height": 720}
CONVERSATION, HEBREW, LANGUAGES = "four-voices.opus", "hebrew.wav", "three-languages.opus"
NAMES = {"SPEAKER_00": "Allison", "SPEAKER_01": "John", "SPEAKER_02": "Linda", "SPEAKER_03": "Robert"}
HEBREW_NAMES = {"SPEAKER_00": "דניאל", "SPEAKER_01": "רות"}


def main(
    page: Annotated[str, typer.Option(help="Address of a demo that runs with --keep; else one is started.")] = "",
    key: Annotated[str, typer.Option(help="Its operator key.")] = "",
    kafka: Annotated[str, typer.Option(help="Its Kafka.")] = "",
) -> None:
    """Take all pictures."""
    if page:
        _take(page, key, kafka)
        return
    with _demo() as (url, operator, bootstrap):
        _take(url, operator, bootstrap)


@contextmanager
def _demo() -> Iterator[tuple[str, str, str]]:
    """A demo that stays up: address of the page, key of an operator, address of Kafka."""
    command = [sys.executable, "-m", "deploy.local.demo", "--keep"]
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert demo.stdout is not None
            told: dict[str, str] = {}
            for line in demo.stdout:
                sys.stdout.write(line)
                name, _, value = line.strip().partition(" ")
                told[name] = value.strip()
                if name == "logs":
                    break
            yield told["page"].rstrip("/"), told["operator"], told["Kafka"]
        finally:
            demo.terminate()
            demo.wait(60)


def _take(url: str, key: str, kafka: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with Client(url, key) as client:
        jobs = _fill(client, kafka)
    with launched() as browser:
        with _visit(browser, url, key, viewport=HIGH) as visit:
            visit.page.locator(".jobs li").nth(3).wait_for()
            _save(visit, "recordings")
        for scheme in ("light", "dark"):
            with _visit(browser, url, key, color_scheme=scheme) as visit:
                _heard(visit, jobs[CONVERSATION])
                _save(visit, f"transcript-{scheme}")
        with _visit(browser, url, key) as visit:
            _operators(visit)
            _save(visit, "operators")
        with _visit(browser, url, key, viewport=PHONE) as visit:
            _opened(visit, jobs[HEBREW])
            _save(visit, "hebrew-phone")


def _fill(client: Client, kafka: str) -> dict[str, str]:
    """Real recordings, done and corrected, one that fails, and one that nobody can read; ids by the names of files."""
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(JOBS, b"PK\x03\x04 not what a job looks like", key=b"import-2031-01-31")
    producer.flush()
    known = {job.name: job for job in client.jobs(state="completed")}
    for name, language in ((LANGUAGES, "it"), (HEBREW, "he")):
        if name not in known:
            sound = _playable(RECORDINGS / name) if name.endswith(".wav") else RECORDINGS / name
            known[name] = client.wait(client.upload(sound, name=name, language=language).job_id)
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "minutes.pdf"
        broken.write_bytes(b"%PDF-1.7 no recording at all")
        client.upload(broken)
    english, hebrew = known[CONVERSATION].job_id, known[HEBREW].job_id
    client.correct(english, client.transcript_tag(english), speakers=NAMES)
    client.correct(hebrew, client.transcript_tag(hebrew), speakers=HEBREW_NAMES, segments=_as_spoken(client, hebrew))
    return {CONVERSATION: str(english), HEBREW: str(hebrew)}


def _playable(path: Path) -> BytesIO:
    """A recording in a codec that browsers know, which ADPCM is not."""
    with av.open(str(path)) as media:
        parts = [frame.to_ndarray().ravel() for frame in media.decode(audio=0)]
        return BytesIO(
            wave(np.concatenate(parts).astype(np.float32) / np.float32(2**15), rate=media.streams.audio[0].rate)
        )


def _as_spoken(client: Client, job_id: UUID) -> list[SegmentEdit]:
    """The text of each segment as its reference has it: the base model hardly understands synthetic Hebrew."""
    turns = json.loads((RECORDINGS / HEBREW).with_suffix(".json").read_text())["turns"]
    starts = [segment.start for segment in client.transcript(job_id).segments]
    texts: dict[int, list[str]] = {number: [] for number in range(len(starts))}
    for turn in turns:
        middle = (turn["start"] + turn["end"]) / 2
        texts[max((number for number, start in enumerate(starts) if start <= middle), default=0)].append(turn["text"])
    return [{"index": number, "text": ", ".join(said)} for number, said in texts.items()]


@contextmanager
def _visit(browser: Browser, url: str, key: str, **options: Any) -> Iterator[PageVisit]:
    with visiting(browser, url, **{"viewport": WIDE, "locale": "en-GB", "timezone_id": "UTC", **options}) as visit:
        visit.log_in(key)
        yield visit


def _opened(visit: PageVisit, job_id: str) -> None:
    visit.show(f"#/jobs/{job_id}")
    visit.page.locator(".line").first.wait_for()
    visit.page.locator(".wave:not(.none)").wait_for()
    visit.page.locator(".transcript").scroll_into_view_if_needed()


def _heard(visit: PageVisit, job_id: str) -> None:
    """The transcript in the middle, with its waveform and the word that is said."""
    _opened(visit, job_id)
    visit.page.locator(".line .time").nth(4).click()
    expect(visit.page.locator(".line .now")).to_be_visible()
    visit.page.evaluate("document.querySelector('audio').pause()")
    visit.page.get_by_label("Find in the transcript").fill("number")


def _operators(visit: PageVisit) -> None:
    visit.show("#/operator")
    letter = visit.page.locator(".letters details").first
    letter.locator("summary").click()
    letter.locator("pre").wait_for()


def _save(visit: PageVisit, name: str) -> None:
    """Write what the window shows, in few colours; raises AssertionError where that is too large."""
    shown = Image.open(BytesIO(visit.page.screenshot())).convert("RGB")
    path = FOLDER / f"{name}.png"
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size <= MOST_BYTES, f"{path.name} has {path.stat().st_size:,} bytes"
    sys.stdout.write(f"{path.name} {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    typer.run(main)
