"""Search: what finds what in English and Hebrew, whose it is, and in which order."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.errors import Rejected
from sink.jobs.transcripts.search import SNIPPET_WORDS, Snippet, index_missing, search, snippet
from sink.postgres.database import Database
from sink.postgres.sanitize import sanitize_text
from tests.samples import AT
from tests.sink.jobs.searching import find, positions, write

pytestmark = pytest.mark.anyio
HEBREW = (
    "הלקוח ביקש לקבל החזר על המוצר שקנה בשבוע שעבר",
    "וכשהבית היה ריק אמרנו לו שנחזור מחר בבוקר",
    "בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ",
    'דו"ח של צה״ל על ג׳ירפות בגן־החיות',
    "היא אמרה שלום והלכה הביתה עם refund policy ביד",
    "קניתי לחם טרי וכלב קטן",
)
ENGLISH = (
    "The customers were asking about our refund policies.",
    "She refused; the policy was “never explained”, he said—twice.",
    "Please call back on Monday, don’t forget.",
)


def marked(pieces: Sequence[Snippet]) -> list[str]:
    return [piece.text for piece in pieces if piece.match]


async def test_english_words_are_found_in_any_form_and_marked(db: Database) -> None:
    job_id = await write(db, ENGLISH)
    (hit,) = (await find(db, "refund policy")).hits
    assert (hit.job_id, hit.position, hit.start, hit.end, hit.speaker) == (job_id, 0, 0.0, 1.0, "A")
    assert marked(hit.snippet) == ["refund policies."]
    assert "".join(piece.text for piece in hit.snippet) == ENGLISH[0]
    for text, where in {
        "customer asks": [0],
        "policy": [0, 1],
        '"refund policy"': [0],
        "“refund policy”": [0],
        "policy -refund": [1],
        "monday or refund": [0, 2],
        "explain twice": [1],
        "don't forget": [2],
        "REFUNDS": [0],
        "refund monday": [],
        "voucher": [],
    }.items():
        assert await positions(db, text) == where, text


async def test_hebrew_is_found_with_and_without_prefixes_points_and_final_letters(db: Database) -> None:
    await write(db, HEBREW, "he")
    for text, where in {
        "החזר": [0],  # as it is written
        "להחזר": [0],  # with another prefix
        "מוצר": [0],  # המוצר
        "שבמוצר": [0],
        "בשבוע": [0],
        "השבוע": [0],
        "בית": [1],
        "ושבבית": [1],
        "לבית": [1],
        "בוקר": [1],
        "שמים": [2],  # with points in the text
        "הַשָּׁמַיִם": [2],  # and in the question
        "ארצ": [2],  # the letter of ארץ as it stands elsewhere
        "ארץ": [2],
        "צהל": [3],
        'צה"ל': [3],
        "צה''ל": [],
        "דו״ח": [3],
        "ג'ירפות": [3],
        "בגן החיות": [3],
        "הגן־חיות": [],  # two letters are not freed of their ב
        '"בגן־החיות"': [3],
        "refund policies": [4],
        "שלום refund": [4],
        "לחמ": [5],
        "והלחם": [5],
        "כלב": [5],
        "לב": [],  # a dog is no heart
    }.items():
        assert await positions(db, text) == where, text
        assert await positions(db, text, "he") == where, text


async def test_in_quotation_marks_a_hebrew_word_is_not_taken_apart(db: Database) -> None:
    """בקשה is a request, קשה is hard: quotation marks tell them apart, and prefixes before the word are still found."""
    await write(db, ("זה היה קשה מאוד", "הגשתי את הבקשה אתמול", "בקשה אחת"), "he")
    assert await positions(db, "בקשה") == [0, 1, 2]
    assert await positions(db, '"בקשה"') == [1, 2]
    assert await positions(db, '-"בקשה" קשה') == [0]


async def test_snippets_mark_hebrew_words_as_they_were_said(db: Database) -> None:
    await write(db, HEBREW, "he")
    (hit,) = (await find(db, "בית")).hits
    assert marked(hit.snippet) == ["וכשהבית"]
    (hit,) = (await find(db, "שמים וארץ")).hits
    assert marked(hit.snippet) == ["הַשָּׁמַיִם", "הָאָרֶץ"]


async def test_the_language_of_the_transcript_decides_how_it_is_searched(db: Database) -> None:
    await write(db, ("the policies",), "en", at=AT)
    await write(db, ("policies und Häuser",), "de", at=AT + timedelta(days=1))
    assert [hit.language for hit in (await find(db, "policy")).hits] == ["en"]
    assert [hit.language for hit in (await find(db, "policies")).hits] == ["de", "en"]
    assert [hit.language for hit in (await find(db, "policies", language="en")).hits] == ["en"]
    assert [hit.language for hit in (await find(db, "häuser", language="de")).hits] in (["de"], [])  # by its locale
    assert (await find(db, "policies", language="fr")).hits == ()


THREE = (
    ("our refund policies", None),
    ("וכשהבית היה ריק", "he"),
    ("мы ждали возврата денег", "ru"),
    ("policies", "he"),
)


async def test_each_segment_is_found_as_one_in_its_own_language(db: Database) -> None:
    """By the forms of that language, whatever the language of the recording is; English where nobody knows better."""
    job_id = await write(db, [text for text, _ in THREE], languages=[language for _, language in THREE])
    for text, language, where in (
        ("policy", None, [0, 3]),  # Latin words in Hebrew are taken as English ones
        ("policy", "en", [0]),
        ("policy", "he", [3]),
        ("בית", None, [1]),
        ("לבית", "he", [1]),
        ("בית", "en", []),
        ("возврата", "ru", [2]),
        ("возврата", "en", []),
    ):
        hits = (await find(db, text, language=language)).hits
        assert [(hit.job_id, hit.position) for hit in hits] == [(job_id, position) for position in where], text
        assert [hit.language for hit in hits] == [THREE[position][1] or "en" for position in where]
        assert all(marked(hit.snippet) for hit in hits)


async def test_segments_from_before_are_taken_anew_in_their_own_language(db: Database) -> None:
    """Migration 0027 gave them a language, 0028 the way to be found by it; between the two they were taken for English."""
    await write(db, [text for text, _ in THREE], languages=[language for _, language in THREE])
    async with db.transaction() as connection:
        await connection.execute(
            "UPDATE segment_search SET language = 'en', words = scribe_search_vector('acme', 'en', '')"
        )
    assert await positions(db, "בית") == []
    assert (await index_missing(db), await index_missing(db)) == (3, 0)
    assert await positions(db, "לבית", "he") == [1]
    assert await positions(db, "возврата", "ru") == [2]


async def test_only_own_transcripts_are_found_whatever_is_asked(db: Database) -> None:
    await write(db, ("our secret plan",), tenant="globex")
    await write(db, ("our open plan",))
    for text in ("plan", "secret", "plan or globex", '"globex english" or plan', "plan -open or secret"):
        hits = (await find(db, text)).hits
        assert all("secret" not in piece.text for hit in hits for piece in hit.snippet), text
    assert len((await find(db, "plan")).hits) == 1
    assert len((await find(db, "secret", tenant="globex")).hits) == 1
    async with db.connection() as connection:  # nobody's transaction
        cursor = await connection.execute("SELECT * FROM scribe_search('plan', NULL, NULL, NULL, NULL, 10)")
        assert await cursor.fetchall() == []


async def test_a_text_without_a_word_that_must_be_there_is_refused(db: Database) -> None:
    for text in ("", " ", "the", "-refund", "refund or -policy", "!&|()<->:*", '""', "\x00", "؟!", "-"):
        with pytest.raises(Rejected) as caught:
            await find(db, text, language="en")
        assert (caught.value.code, caught.value.errors[0]["field"]) == ("invalid_request", "q"), text


@hypothesis_settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=st.text(st.characters() | st.sampled_from("\"'-()&|!<>:*\\אבהוךש׳״\x00\ud800"), max_size=64))
async def test_no_text_is_an_error_of_ours(db: Database, text: str) -> None:
    """It finds something or nothing, or names no word; and every text can be indexed."""
    async with db.as_tenant("acme") as connection:
        with contextlib.suppress(Rejected):
            await search(connection, text, language=None, after=None, limit=1, seconds=60)
        for language in ("en", "he", "xx", None):
            await connection.execute("SELECT scribe_search_vector('acme', %s, %s)", [language, sanitize_text(text)])


async def test_pages_are_stable_while_newer_transcripts_come(db: Database) -> None:
    jobs = [await write(db, ["refund one", "no", "refund two"], at=AT + timedelta(hours=n)) for n in range(3)]
    wanted = [(job, position) for job in reversed(jobs) for position in (0, 2)]
    seen, after = [], None
    while True:
        page = await find(db, "refund", after=after, limit=2)
        seen += [(hit.job_id, hit.position) for hit in page.hits]
        await write(db, ["refund new"], at=AT + timedelta(days=2))
        if page.more_after is None:
            break
        after = page.more_after
    assert seen == wanted


async def test_what_is_deleted_or_changed_is_not_found_any_more(db: Database) -> None:
    job_id = await write(db, ["refund", "voucher"])
    gone = await write(db, ["refund"])
    async with db.transaction() as connection:
        await connection.execute("UPDATE segments SET text = 'changed' WHERE job_id = %s AND position = 0", [job_id])
        await connection.execute("DELETE FROM jobs WHERE job_id = %s", [gone])
        assert (await (await connection.execute("SELECT count(*) AS n FROM segment_search")).fetchone()) == {"n": 2}
    assert (await find(db, "refund")).hits == ()
    assert [hit.position for hit in (await find(db, "change or voucher")).hits] == [0, 1]
    async with db.transaction() as connection:
        await connection.execute("DELETE FROM segments WHERE job_id = %s", [job_id])
        assert (await (await connection.execute("SELECT count(*) AS n FROM segment_search")).fetchone()) == {"n": 0}


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), st.booleans()), min_size=1, max_size=90))
def test_a_snippet_is_a_stretch_of_the_text_around_the_first_match(marked_words: list[tuple[str, bool]]) -> None:
    words, marks = [word for word, _ in marked_words], [mark for _, mark in marked_words]
    pieces = snippet(words, marks)
    text = "".join(piece.text for piece in pieces)
    shown = text.removeprefix("… ").removesuffix(" …")
    assert len(shown.split(" ")) == min(len(words), SNIPPET_WORDS)
    assert shown in " ".join(words)
    assert text.startswith("… ") or " ".join(words).startswith(shown)
    assert text.endswith(" …") or " ".join(words).endswith(shown)
    assert any(piece.match for piece in pieces) == any(marks)
    assert all(one.match != other.match for one, other in pairwise(pieces))


@pytest.mark.parametrize(
    ("text", "language", "common"),
    [
        ("the", None, ("the",)),
        ("Who was THERE", None, ("who", "was", "there")),
        ("the refund", None, ("the",)),
        ("refund or voucher", None, ()),
        ("של את הבית", None, ()),
        ("the", "de", ()),
        ("the refund", "en", ("the",)),
        ("the הבית", "he", ("the",)),
    ],
)
async def test_words_that_are_too_common_are_named(
    db: Database, text: str, language: str | None, common: tuple[str, ...]
) -> None:
    """English has such words; Hebrew has none here, and other languages are found by all of theirs."""
    found = await find(db, text, language=language)
    assert (found.hits, found.too_common) == ((), common)


async def test_only_such_words_are_refused_where_none_of_them_can_be_found(db: Database) -> None:
    with pytest.raises(Rejected, match=r"too common to be searched for \(the, of\): add a rarer one"):
        await find(db, "the of", language="en")
