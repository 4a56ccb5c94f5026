"""The page in a real browser: its first view, and a transcript of ten hours: `python -m tests.bench.page`.

The first view is timed from the address to the list, with nothing in the browser's cache. The transcript has 100,000 words
of two speakers beside ten hours of sound. Frames are those that the browser draws while it scrolls from the first line to
the last one, and while the words follow the sound near the end.
"""

import io
import statistics
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer
from playwright.sync_api import Browser, Page
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.postgres import Postgres
from sink.memory import MemoryObjectStore
from sink.postgres.migrate import migrate
from tests.integration.page.handing_in import completed, transcript_of, uploaded
from tests.integration.page.visits import PageVisit, elsewhere, launched, visiting
from tests.integration.shim import RunningShim, serving

LINES, WORDS_OF_A_LINE, SECONDS_OF_A_LINE = 10_000, 10, 3.6
RATE = 8000
STEP_PX = 400  # a frame: about as fast as a wheel or a finger can
_FRAMES = """
([step, most]) => new Promise((resolve) => {
  const times = [];
  function turn(now) {
    times.push(now);
    const done = step ? scrollY + innerHeight >= document.documentElement.scrollHeight - 1 : false;
    if (done || times.length > most) resolve(times.slice(1).map((time, place) => time - times[place]));
    else {
      if (step) scrollBy(0, step);
      requestAnimationFrame(turn);
    }
  }
  requestAnimationFrame(turn);
})
"""
_PLAY = "([at, rate]) => { const audio = document.querySelector('audio'); audio.currentTime = at; audio.playbackRate = rate; return audio.play(); }"


def quiet_flac(seconds: float) -> bytes:
    """So much silence, in a file that browsers seek in."""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as media:
        stream = media.add_stream("flac", rate=RATE, layout="mono")
        piece = np.zeros((1, RATE * 10), dtype=np.int16)
        for number in range(int(seconds / 10)):
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, number * RATE * 10
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    return out.getvalue()


def first_views(browser: Browser, url: str, key: str, rounds: int) -> list[float]:
    """Milliseconds from the address to the list, each time in a new window."""
    found = []
    with visiting(browser, url) as visit:
        visit.log_in(key)
        cookies: Any = visit.context.cookies()
    for _ in range(rounds):
        with visiting(browser, url) as visit:
            visit.context.add_cookies(cookies)
            visit.open()
            visit.page.locator(".jobs li").first.wait_for()
            found.append(float(visit.page.evaluate("performance.now()")))
    return found


def of_ten_hours(visit: PageVisit, shim: RunningShim, key: str) -> dict[str, list[float]]:
    """What the long transcript takes, in milliseconds."""
    request = uploaded(shim, key, quiet_flac(LINES * SECONDS_OF_A_LINE), "ten hours.flac")
    texts = (" ".join(f"w{line}x{place}" for place in range(WORDS_OF_A_LINE)) for line in range(LINES))
    completed(shim, request, transcript_of(*texts, seconds=SECONDS_OF_A_LINE))
    visit.show(f"#/jobs/{request.job_id}")
    page = visit.page
    started = float(page.evaluate("performance.now()"))
    page.locator(".line").first.wait_for()
    shown = float(page.evaluate("performance.now()")) - started
    page.locator("audio").evaluate(
        "(audio) => new Promise((ready) => { audio.readyState ? ready() : audio.onloadedmetadata = ready })"
    )
    scrolled = page.evaluate(_FRAMES, [STEP_PX, 1500])
    page.evaluate(_PLAY, [LINES * SECONDS_OF_A_LINE * 0.9, 4])
    page.locator(".line .now").wait_for()
    return {"shown": [shown], "scrolled": scrolled, "followed": page.evaluate(_FRAMES, [0, 600])}


def frames(found: Sequence[float]) -> str:
    """Frames in words."""
    ordered = sorted(found)
    late = sum(1 for one in found if one > 50)
    at = ordered[int(len(ordered) * 0.99)]
    return f"{len(found)}: median {statistics.median(found):.0f}, p99 {at:.0f}, longest {ordered[-1]:.0f} ms; {late} above 50 ms"


def words_shown(page: Page) -> int:
    """How many words the page holds."""
    return page.locator("[data-word]").count()


def main(rounds: Annotated[int, typer.Option(min=1, help="First views.")] = 10) -> None:
    """Measure and print."""
    table = Table("WHAT", "RESULT", box=None)
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="page-")))
        server = Postgres(folder, ports.choose(("postgres",), {}, {}), uuid.uuid4().hex, owned=True, durable=False)
        server.start()
        parts.callback(server.stop)
        migrate(server.dsn())
        shim = parts.enter_context(serving(server.dsn(), MemoryObjectStore()))
        browser = parts.enter_context(launched())
        visit = parts.enter_context(visiting(browser, shim.url))
        key = elsewhere(lambda: shim.key_of("acme"))
        visit.log_in(key)
        long = of_ten_hours(visit, shim, key)
        table.add_row("ten hours: the first line is there", f"{long['shown'][0]:.0f} ms")
        table.add_row("ten hours: frames while it scrolls", frames(long["scrolled"]))
        table.add_row("ten hours: frames while it follows", frames(long["followed"]))
        table.add_row("ten hours: words in the page at the end", str(words_shown(visit.page)))
        views = first_views(browser, shim.url, key, rounds)
        table.add_row("first view: median, longest", f"{statistics.median(views):.0f}, {max(views):.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
