"""A transcript on the page: what it says, right to left, as text only; heard, followed, searched; ten hours of it."""

from dataclasses import replace

from playwright.sync_api import Page, expect

from schemas.transcript import Transcript
from tests.integration.page.handing_in import completed, submitted, transcript_of, uploaded
from tests.integration.page.visits import PageVisit
from tests.integration.shim import RunningShim
from tests.media_files import tone, wave

HOSTILE = (
    "<script>document.title='caught'</script>",
    "<img src=x onerror=\"document.title='caught'\">",
    "</p></div><style>*{display:none}</style>",
    "javascript:alert(1) &lt;b&gt; {{7*7}} ${alert(1)}",
    "\u202e<b>turned\u202c </textarea><svg/onload=alert(1)>",
)
SHOWN_MOST = 6000
"""Words that are on the screen and near it at a time, whatever the length of the transcript."""


def opened(visit: PageVisit, shim: RunningShim, key: str, transcript: Transcript) -> Page:
    """A completed job of a foreign recording, opened."""
    request = submitted(shim, key)
    completed(shim, request, transcript)
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.locator(".line").first.wait_for()
    return visit.page


def heard(visit: PageVisit, shim: RunningShim, key: str, transcript: Transcript) -> Page:
    """The same of an upload as long as its transcript."""
    request = uploaded(shim, key, wave(tone(transcript.duration)), "call.wav")
    completed(shim, request, transcript)
    visit.show(f"#/jobs/{request.job_id}")
    visit.page.locator(".line").first.wait_for()
    return visit.page


def test_markup_in_transcripts_and_names_stays_text(visit: PageVisit, shim: RunningShim, key: str) -> None:
    """In the list, in the job, in search hits: nothing runs, nothing is loaded, no policy is broken."""
    name = "<img src=x onerror=alert(1)>.wav"
    transcript = replace(transcript_of(*HOSTILE), warnings=(HOSTILE[0],))
    request = uploaded(shim, key, wave(tone(1.0)), name)
    completed(shim, request, transcript)
    page = visit.page
    page.locator(".jobs .name").wait_for()
    visit.show(f"#/jobs/{request.job_id}")
    page.locator(".line").first.wait_for()
    assert page.locator(".line p").all_inner_texts() == [line.strip() for line in HOSTILE]
    expect(page.locator(".notice").first).to_have_text(HOSTILE[0])
    assert page.locator(".lines script, .lines img, .lines style, .lines svg, .lines b, h1 img").count() == 0
    page.get_by_label("Find in the transcript").fill("<img")
    expect(page.locator(".finder [role=status]")).to_have_text("1 of 1 place")
    visit.show("#/search?q=turned")
    page.locator(".hits li").first.wait_for()
    assert page.locator(".hits script, .hits img:not([alt])").count() == 0
    assert "caught" not in page.title()


def test_hebrew_runs_from_right_to_left_and_english_beside_it_does_not(
    visit: PageVisit, shim: RunningShim, key: str
) -> None:
    page = opened(visit, shim, key, transcript_of("שלום לכולם, מה שלומכם?", "hello there", language="he"))
    directions = page.locator(".line p").evaluate_all("all => all.map((one) => getComputedStyle(one).direction)")
    assert directions == ["rtl", "ltr"]
    hebrew, english = (page.locator(".line .time").nth(place).bounding_box() for place in (0, 1))
    assert hebrew is not None
    assert english is not None
    assert hebrew["x"] > english["x"] + 300  # its time stands where the line begins
    page.get_by_label("Find in the transcript").fill("שלומכם")
    expect(page.locator(".line .hit")).to_have_text("שלומכם?")


def test_speakers_have_colours_of_their_own(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = opened(visit, shim, key, transcript_of("one", "two", "three"))
    names = page.locator(".speaker")
    assert names.all_inner_texts() == ["Speaker 1", "Speaker 2", "Speaker 1"]
    first, second, third = names.evaluate_all("all => all.map((one) => getComputedStyle(one).color)")
    assert first == third != second


def test_a_click_on_a_word_plays_it_and_the_words_follow(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = heard(visit, shim, key, transcript_of(*(f"word{n} second{n}" for n in range(10))))
    page.get_by_text("second3", exact=True).click()
    now = page.locator(".line .now")
    expect(now).to_have_text("second3")
    assert page.locator("audio").evaluate("audio => audio.currentTime") >= 7
    expect(now).to_have_text("word5")  # two and more seconds later, by itself
    page.locator("audio").evaluate("audio => audio.pause()")
    page.get_by_role("button", name="Play from 0:16").press("Enter")
    expect(now).to_have_text("word8")


def test_a_short_recording_has_a_waveform_that_is_clicked(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = heard(visit, shim, key, transcript_of(*(f"word{n} second{n}" for n in range(10))))
    page.locator("canvas.wave:not(.none)").click()  # in its middle
    expect(page.locator(".line .now")).to_have_text("word5")
    assert page.locator("canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    )


def test_a_search_counts_its_places_and_walks_through_them(visit: PageVisit, shim: RunningShim, key: str) -> None:
    lines = ["The café is open", "naïve cafe guests", "nothing", "the cafe", "is open again"]
    page = opened(visit, shim, key, transcript_of(*lines))
    find = page.get_by_label("Find in the transcript")
    told, chosen = page.locator(".finder [role=status]"), page.locator(".line .chosen")
    find.fill("CAFE")
    expect(told).to_have_text("1 of 3 places")
    expect(chosen).to_have_text("café")
    find.press("Enter")
    expect(told).to_have_text("2 of 3 places")
    page.get_by_role("button", name="The place before").click()
    expect(told).to_have_text("1 of 3 places")
    find.fill("cafe  is open")
    expect(told).to_have_text("1 of 2 places")  # of words in one line, and over the end of one
    expect(chosen).to_have_text(["café", "is", "open"])
    find.fill("absent")
    expect(told).to_have_text("Nothing found")


def test_a_hit_of_the_search_over_all_leads_to_its_place(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = heard(visit, shim, key, transcript_of(*(f"line {n}" for n in range(5)), "the rhubarb", "end"))
    visit.show("#/search?q=rhubarb")
    expect(page.locator(".hits mark")).to_have_text("rhubarb")
    page.locator(".hits a").click()
    expect(page.locator(".line .now")).to_have_text("the")
    expect(page.get_by_label("Recording call.wav")).to_have_js_property("currentTime", 10)


def test_downloads_have_the_name_of_the_recording(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = heard(visit, shim, key, transcript_of("hello there"))
    page.get_by_text("Download", exact=True).click()
    for label, name, content in (("Subtitles (SRT)", "call.srt", "-->"), ("Text", "call.txt", "hello there")):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=label).click()
        assert waiting.value.suggested_filename == name
        assert content in waiting.value.path().read_text()


def test_a_recording_at_an_address_of_its_own_has_no_player(visit: PageVisit, shim: RunningShim, key: str) -> None:
    page = opened(visit, shim, key, transcript_of("hello there"))
    page.get_by_text("no copy of it is kept here").wait_for()
    assert page.locator("audio").count() == 0


def test_ten_hours_are_shown_by_windows(visit: PageVisit, shim: RunningShim, key: str) -> None:
    """A hundred thousand words, of which the page holds some thousand wherever it is."""
    texts = (" ".join(f"w{line}x{place}" for place in range(10)) for line in range(10_000))
    page = opened(visit, shim, key, transcript_of(*texts, seconds=3.6))
    words = page.locator("[data-word]")
    assert 200 < words.count() < SHOWN_MOST
    find = page.get_by_label("Find in the transcript")
    find.fill("w9999x9")
    expect(page.locator(".line .chosen")).to_have_text("w9999x9")
    expect(page.locator(".line .chosen")).to_be_in_viewport()
    assert words.count() < SHOWN_MOST
    find.fill("w5000x3 w5000x4")
    expect(page.locator(".line .chosen").first).to_be_in_viewport()
    find.fill("w")
    expect(page.locator(".finder [role=status]")).to_have_text("1 of 100,000 places")
    expect(page.locator(".line .chosen")).to_have_text("w0x0")
    expect(page.locator(".line .chosen")).to_be_in_viewport()
    assert words.count() < SHOWN_MOST
