"""Corrections over REST: who may make them, what they change, and that nobody's are overwritten unseen."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import uuid4

import docx
import httpx
import psycopg
import pytest

from deploy.local.stack import Stack
from producers.transcripts.formats import Format
from schemas.events import JobRequested
from schemas.requests.revisions.changes import (
    MAX_EDITS,
    MAX_NAME_CHARS,
    MAX_REVISIONS,
    MAX_REVISIONS_BYTES,
    MAX_TEXT_CHARS,
)
from schemas.tenants.scopes import Scope
from schemas.transcript import Segment, Transcript, Word
from sink.jobs.results import apply_request
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Connection
from sink.retention.erasure import forget
from sink.tenants.api_keys import create_key
from tests.integration.rest import check_problem, request_of, rows
from tests.integration.shim import RunningShim, in_database, in_transaction, serving
from tests.samples import AT

SAID = Transcript(
    language="en",
    duration=4.0,
    segments=(
        Segment(
            start=0.0,
            end=2.0,
            text="helo rhubarb",
            speaker="SPEAKER_00",
            words=(
                Word(start=0.0, end=1.0, text="helo", probability=0.5, speaker="SPEAKER_00"),
                Word(start=1.0, end=2.0, text="rhubarb", probability=0.5, speaker="SPEAKER_00"),
            ),
        ),
        Segment(start=2.0, end=3.0, text="hi there", speaker="SPEAKER_01"),
        Segment(start=3.0, end=4.0, text="bye", speaker="SPEAKER_00"),
    ),
)
Edit = dict[str, Any]


@pytest.fixture
def request_(shim: RunningShim, client: httpx.Client) -> JobRequested:
    """A completed job."""
    request = request_of(client)
    shim.complete(request, SAID)
    return request


@pytest.fixture
def path(request_: JobRequested) -> str:
    return f"/api/v1/jobs/{request_.job_id}"


def tag_of(client: httpx.Client, path: str) -> str:
    return str(client.get(f"{path}/transcript").headers["etag"])


def correct(client: httpx.Client, path: str, body: Edit, tag: str | None = None) -> httpx.Response:
    headers = {"If-Match": tag or tag_of(client, path)}
    return client.patch(f"{path}/transcript", json=body, headers=headers)


def edit(index: int, text: str) -> Edit:
    return {"segments": [{"index": index, "text": text}]}


def texts(client: httpx.Client, path: str, query: str = "") -> list[str]:
    return [segment["text"] for segment in client.get(f"{path}/transcript{query}").json()["segments"]]


def test_a_correction_is_kept_beside_the_machines_transcript(
    shim: RunningShim, client: httpx.Client, path: str
) -> None:
    before = rows(shim, "SELECT * FROM segments ORDER BY position")
    body = {"speakers": {"SPEAKER_00": "Anna"}, "segments": [{"index": 0, "text": " Hello\nrhubarb "}]}
    answer = correct(client, path, body)
    assert answer.status_code == 200, answer.text
    changes = {
        "speakers": {"SPEAKER_00": "Anna"},
        "segments": [{"index": 0, "text": "Hello rhubarb", "speaker": None}],
    }
    assert (answer.json()["revision"], answer.json()["changes"]) == (1, changes)
    now = client.get(f"{path}/transcript").json()["segments"]
    assert [(s["speaker"], s["text"]) for s in now] == [
        ("Anna", "Hello rhubarb"),
        ("SPEAKER_01", "hi there"),
        ("Anna", "bye"),
    ]
    assert [(w["text"], w["start"], w["probability"]) for w in now[0]["words"]] == [
        ("Hello", 0.0, None),
        ("rhubarb", 1.0, 0.5),
    ]
    assert texts(client, path, "?revision=machine") == [segment.text for segment in SAID.segments]
    assert rows(shim, "SELECT * FROM segments ORDER BY position") == before


def test_every_revision_can_be_read_and_has_a_tag_of_its_own(client: httpx.Client, path: str) -> None:
    tags = [tag_of(client, path)]
    for text in ("one", "two"):
        assert correct(client, path, edit(1, text), tags[-1]).status_code == 200
        tags.append(tag_of(client, path))
    assert len({*tags}) == 3
    assert [texts(client, path, f"?revision={n}")[1] for n in ("machine", 1, 2)] == ["hi there", "one", "two"]
    assert client.get(f"{path}/transcript?revision=2").headers["etag"] == tags[2]
    known = {"If-None-Match": tags[2]}
    assert client.get(f"{path}/transcript", headers=known).status_code == 304
    assert client.get(f"{path}/transcript?revision=1", headers=known).status_code == 200
    check_problem(client.get(f"{path}/transcript?revision=3"), 404, "not_found")
    for wrong in ("0", "latest", "-1", "1.0"):
        check_problem(client.get(f"{path}/transcript?revision={wrong}"), 422, "invalid_request")


@pytest.mark.parametrize("form", Format)
def test_every_form_has_names_and_corrected_text(client: httpx.Client, path: str, form: Format) -> None:
    body = {"speakers": {"SPEAKER_00": "דנה"}, **edit(0, "gooseberry pie")}
    assert correct(client, path, body).status_code == 200

    def read(query: str) -> str:
        content = client.get(f"{path}/transcript?format={form}{query}").content
        if form != Format.DOCX:
            return content.decode()
        return "\n".join(paragraph.text for paragraph in docx.Document(BytesIO(content)).paragraphs)

    now, machines = read(""), read("&revision=machine")
    assert "gooseberry" in now
    assert "דנה" in now
    assert "rhubarb" not in now
    assert "SPEAKER_00" not in now
    assert "gooseberry" not in machines
    assert "rhubarb" in machines


def test_an_emptied_segment_is_in_no_subtitle(client: httpx.Client, path: str) -> None:
    assert correct(client, path, edit(1, "")).status_code == 200
    assert "hi" not in client.get(f"{path}/transcript?format=srt").text
    assert texts(client, path)[1] == ""


def test_of_two_who_read_the_same_the_second_is_told(client: httpx.Client, path: str) -> None:
    read = tag_of(client, path)
    assert correct(client, path, edit(0, "first"), read).status_code == 200
    problem = check_problem(correct(client, path, edit(0, "second"), read), 412, "revision_conflict")
    assert "it is at revision 1 of run 1" in problem["detail"]
    assert texts(client, path)[0] == "first"
    old = client.get(f"{path}/transcript?revision=machine").headers["etag"]
    check_problem(correct(client, path, edit(1, "third"), old), 412, "revision_conflict")
    now = client.get(f"{path}/transcript?format=srt").headers["etag"]  # whichever form was read
    assert correct(client, path, edit(0, "second"), now).status_code == 200


def test_of_many_at_once_one_is_written_each_time(shim: RunningShim, client: httpx.Client, path: str) -> None:
    """PostgreSQL decides: every correction that was answered 200 was made to what its client had read."""
    rounds, people = 6, 5
    with ThreadPoolExecutor(people) as pool:
        for number in range(rounds):
            read = tag_of(client, path)
            said = [edit(0, f"{number} by {person}") for person in range(people)]
            answers = list(pool.map(lambda body, tag=read: correct(client, path, body, tag), said))
            assert sorted(answer.status_code for answer in answers) == [200, *[412] * (people - 1)]
            won = next(answer.json() for answer in answers if answer.status_code == 200)
            assert texts(client, path)[0] == won["changes"]["segments"][0]["text"]
    assert rows(shim, "SELECT number FROM transcript_revisions ORDER BY number") == [(n + 1,) for n in range(rounds)]


def test_a_request_whose_answer_was_lost_may_be_sent_again(shim: RunningShim, client: httpx.Client, path: str) -> None:
    read = tag_of(client, path)
    first, again = correct(client, path, edit(0, "once"), read), correct(client, path, edit(0, "once"), read)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["etag"] == first.headers["etag"]
    with shim.client(shim.key_of("acme")) as other:  # who cannot know that it is there
        check_problem(correct(other, path, edit(0, "once"), read), 412, "revision_conflict")
    assert rows(shim, "SELECT count(*) FROM transcript_revisions") == [(1,)]


def test_a_request_is_known_again_when_others_have_followed(shim: RunningShim, client: httpx.Client, path: str) -> None:
    read = tag_of(client, path)
    body = {"speakers": {"SPEAKER_00": "Anna"}, **edit(0, "once")}
    first = correct(client, path, body, read)
    with shim.client(shim.key_of("acme")) as other:
        assert correct(other, path, {"speakers": {"Anna": "Ben"}, **edit(0, "theirs")}).status_code == 200
    again = correct(client, path, body, read)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), first.headers["etag"])
    # so whoever goes on from there overwrites nobody unseen
    check_problem(correct(client, path, edit(0, "mine"), again.headers["etag"]), 412, "revision_conflict")
    check_problem(correct(client, path, edit(1, "another"), read), 412, "revision_conflict")
    assert texts(client, path)[:2] == ["theirs", "hi there"]
    assert rows(shim, "SELECT count(*) FROM transcript_revisions") == [(2,)]


def test_one_may_go_on_with_the_tag_of_the_answer(client: httpx.Client, path: str) -> None:
    tag = correct(client, path, edit(0, "one")).headers["etag"]
    assert correct(client, path, edit(0, "two"), tag).status_code == 200
    assert correct(client, path, edit(0, "three"), f'"other", W/{tag}').status_code == 412


def test_what_is_so_already_is_no_revision(client: httpx.Client, path: str) -> None:
    answer = correct(client, path, {"speakers": {"SPEAKER_00": "SPEAKER_00"}, **edit(0, "helo rhubarb")})
    assert (answer.status_code, answer.json()["revision"]) == (200, 0)
    assert answer.json()["changes"] == {"speakers": {}, "segments": []}
    assert client.get(f"{path}/revisions").json()["revisions"] == []


@pytest.mark.parametrize("given", [None, "*", "no-quotes", ""], ids=["missing", "any", "unquoted", "empty"])
def test_a_correction_says_what_was_read(client: httpx.Client, path: str, given: str | None) -> None:
    headers = {} if given is None else {"If-Match": given}
    answer = client.patch(f"{path}/transcript", json=edit(0, "x"), headers=headers)
    check_problem(answer, 428, "precondition_required")
    assert texts(client, path)[0] == "helo rhubarb"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "body", "must have speakers, segments, or both"),
        ({"segments": [{"index": 3, "text": "x"}]}, "segments.0.index", "there is no segment 3"),
        ({"segments": [{"index": -1, "text": "x"}]}, "segments.0.index", "greater than or equal to 0"),
        ({"segments": [{"index": 10**30, "text": "x"}]}, "segments.0.index", "there is no segment"),
        ({"segments": [{"index": "0", "text": "x"}]}, "segments.0.index", "valid integer"),
        ({"segments": [{"index": 0}]}, "segments.0", "must have text, speaker, or both"),
        ({"segments": [{"index": 0, "text": "a"}] * 2}, "segments.1.index", "more than once"),
        ({"segments": [{"index": 0, "txt": "x"}]}, "segments.0.txt", "unknown field `txt`"),
        ({"segments": [{"index": 0, "speaker": "SPEAKER_9"}]}, "segments.0.speaker", "did you mean `SPEAKER_0"),
        ({"speaker": {"SPEAKER_00": "x"}}, "speaker", "did you mean `speakers`?"),
        ({"speakers": {"SPEAKER_7": "x"}}, "speakers.SPEAKER_7", "unknown speaker `SPEAKER_7`"),
        ({"speakers": {"SPEAKER_01": "SPEAKER_00"}}, "speakers.SPEAKER_01", "is the label of another speaker"),
        ({"speakers": {"SPEAKER_00": " "}}, "speakers.SPEAKER_00", "must not be blank"),
        ({"speakers": {"SPEAKER_00": "a\x00b"}}, "speakers.SPEAKER_00", "U+0000"),
        ({"segments": [{"index": 0, "text": "a\x00b"}]}, "segments.0.text", "U+0000"),
        ({"segments": [{"index": 0, "text": "x" * (MAX_TEXT_CHARS + 1)}]}, "segments.0.text", "at most 5000"),
        ({"speakers": {"SPEAKER_00": "x" * (MAX_NAME_CHARS + 1)}}, "speakers.SPEAKER_00", "at most 100"),
        ({"segments": [{"index": 0, "text": "x"}] * (MAX_EDITS + 1)}, "segments", "at most 500 items"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    shim: RunningShim, client: httpx.Client, path: str, body: Edit, field: str, message: str
) -> None:
    problem = check_problem(correct(client, path, body), 422, "invalid_request")
    assert problem["errors"][0]["field"] == field
    assert message in problem["errors"][0]["message"]
    assert rows(shim, "SELECT count(*) FROM transcript_revisions") == [(0,)]


def test_half_a_character_is_rejected(client: httpx.Client, path: str) -> None:
    headers = {"If-Match": tag_of(client, path), "Content-Type": "application/json"}
    content = b'{"segments": [{"index": 0, "text": "a\\ud800"}]}'
    problem = check_problem(
        client.patch(f"{path}/transcript", content=content, headers=headers), 422, "invalid_request"
    )
    assert "half of a character" in problem["errors"][0]["message"]


def test_anothers_job_is_as_one_that_is_not_there(shim: RunningShim, client: httpx.Client, path: str) -> None:
    tag = tag_of(client, path)
    with shim.client(shim.key_of("globex")) as other:
        for there in (path, f"/api/v1/jobs/{uuid4()}"):
            check_problem(correct(other, there, edit(0, "mine"), tag), 404, "not_found")
            check_problem(other.get(f"{there}/revisions"), 404, "not_found")
    assert texts(client, path)[0] == "helo rhubarb"


@pytest.mark.parametrize(
    ("end", "code"),
    [(None, "not_ready"), (RunningShim.fail, "media_empty"), (RunningShim.cancel, "cancelled")],
    ids=["queued", "failed", "cancelled"],
)
def test_a_job_without_a_transcript_has_nothing_to_correct(
    shim: RunningShim, client: httpx.Client, end: Callable[[RunningShim, JobRequested], None] | None, code: str
) -> None:
    request = request_of(client)
    if end:
        end(shim, request)
    answer = correct(client, f"/api/v1/jobs/{request.job_id}", edit(0, "x"), '"1.0"')
    check_problem(answer, 409, code)


def test_a_key_for_reading_corrects_nothing(shim: RunningShim, client: httpx.Client, path: str) -> None:
    text = in_database(shim.dsn, lambda database: create_key(database, "acme", "", frozenset({Scope.READ})))
    with shim.client(text) as reader:
        check_problem(correct(reader, path, edit(0, "x")), 403, "forbidden")
        assert reader.get(f"{path}/revisions").status_code == 200


def test_the_list_says_who_when_and_what(shim: RunningShim, client: httpx.Client, path: str) -> None:
    for number in range(3):
        assert correct(client, path, {"speakers": {"SPEAKER_01": f"Ben {number}"}}).status_code == 200
    first = client.get(f"{path}/revisions?limit=2").json()
    assert (first["run"], [each["number"] for each in first["revisions"]]) == (1, [3, 2])
    newest = first["revisions"][0]
    assert newest["changes"] == {"speakers": {"SPEAKER_01": "Ben 2"}, "segments": []}
    assert rows(shim, "SELECT key_id FROM api_keys WHERE key_id = %s", newest["key_id"]) == [(newest["key_id"],)]
    rest = client.get(f"{path}/revisions", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([each["number"] for each in rest["revisions"]], rest["next_cursor"]) == ([1], None)
    assert client.get(path).json()["links"]["revisions"] == f"{path}/revisions"


def test_a_search_finds_the_corrected_words_and_not_the_machines(
    shim: RunningShim, client: httpx.Client, path: str
) -> None:
    def found(text: str) -> list[tuple[int, str | None, str]]:
        hits = client.get("/api/v1/search", params={"q": text}).json()["hits"]
        return [(hit["position"], hit["speaker"], "".join(piece["text"] for piece in hit["snippet"])) for hit in hits]

    assert found("rhubarb") == [(0, "SPEAKER_00", "helo rhubarb")]
    body = {
        "speakers": {"SPEAKER_01": "Ben"},
        "segments": [{"index": 0, "text": "hello gooseberries", "speaker": "SPEAKER_01"}],
    }
    assert correct(client, path, body).status_code == 200
    assert found("rhubarb") == []
    assert found("gooseberry") == [(0, "Ben", "hello gooseberries")]
    assert found("hi") == [(1, "Ben", "hi there")]
    # taken back
    assert correct(client, path, edit(0, "helo rhubarb")).status_code == 200
    assert found("rhubarb") == [(0, "Ben", "helo rhubarb")]
    assert found("gooseberry") == []


def test_a_new_run_begins_without_revisions_and_the_old_ones_stay_listed(
    shim: RunningShim, client: httpx.Client, path: str, request_: JobRequested
) -> None:
    read = correct(client, path, edit(0, "corrected")).headers["etag"]
    again = replace(request_, run=2)
    in_transaction(shim.dsn, lambda connection: apply_request(connection, again))
    check_problem(correct(client, path, edit(0, "too early"), read), 409, "not_ready")
    shim.complete(again, SAID)
    assert texts(client, path)[0] == "helo rhubarb"
    check_problem(correct(client, path, edit(0, "to the old one"), read), 412, "revision_conflict")
    check_problem(client.get(f"{path}/transcript?revision=1"), 404, "not_found")
    assert correct(client, path, edit(0, "anew")).json()["revision"] == 2
    listed = client.get(f"{path}/revisions").json()
    assert (listed["run"], [(each["number"], each["run"]) for each in listed["revisions"]]) == (2, [(2, 2), (1, 1)])


@pytest.fixture
def behind(postgres_server: Stack, _migrated: str, _dropped_later: Callable[[str], object]) -> Iterator[str]:
    """A database that has only what a test writes into it, in place of a replica that is far behind."""
    name = f"test_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.postgres_dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_migrated}".encode())
    yield postgres_server.postgres_dsn(name)
    _dropped_later(name)


def test_a_replica_that_lacks_a_revision_is_not_believed(
    database: str, object_store: S3ObjectStore, behind: str
) -> None:
    """Whoever has corrected something sees it at once."""
    with serving(database, object_store, read_dsn=behind) as shim, shim.client() as client:
        request = request_of(client)
        path = f"/api/v1/jobs/{request.job_id}"
        shim.complete(request, SAID)
        replace(shim, dsn=behind).complete(request, SAID)  # which is all that the replica ever has
        assert correct(client, path, edit(0, "corrected")).status_code == 200
        assert texts(client, path)[0] == "corrected"
        assert texts(client, path, "?revision=1")[0] == "corrected"
        assert texts(client, path, "?revision=machine")[0] == "helo rhubarb"


def test_a_run_has_so_many_revisions_and_no_more(
    shim: RunningShim, client: httpx.Client, path: str, request_: JobRequested
) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute(
            "INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes)"
            """ SELECT %s, n, 1, 'acme', 'k', '{"speakers": {}, "segments": []}' FROM generate_series(1, %s) AS n""",
            [request_.job_id, MAX_REVISIONS],
        )
    check_problem(correct(client, path, edit(0, "one more")), 409, "too_many_revisions")
    assert rows(shim, "SELECT count(*) FROM transcript_revisions") == [(MAX_REVISIONS,)]


def test_a_run_has_so_much_of_changes_and_no_more(
    shim: RunningShim, client: httpx.Client, path: str, request_: JobRequested
) -> None:
    with psycopg.connect(shim.dsn) as connection:
        connection.execute(
            "INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes)"
            " VALUES (%s, 1, 1, 'acme', 'k', jsonb_build_object('speakers', '{}'::jsonb, 'segments', '[]'::jsonb, 'more', repeat('x', %s)))",
            [request_.job_id, MAX_REVISIONS_BYTES],
        )
    problem = check_problem(correct(client, path, edit(0, "one more")), 409, "too_many_revisions")
    assert f"more than {MAX_REVISIONS_BYTES} bytes" in problem["detail"]
    assert texts(client, path)[0] == "helo rhubarb"


def test_revisions_go_with_their_job(
    shim: RunningShim, client: httpx.Client, path: str, request_: JobRequested
) -> None:
    assert correct(client, path, edit(0, "secret")).status_code == 200

    async def work(connection: Connection) -> dict[str, int]:
        return await forget(connection, [request_.job_id], AT, asked=True)

    assert in_transaction(shim.dsn, work)["transcript_revisions"] == 1
    assert rows(shim, "SELECT count(*) FROM transcript_revisions") == [(0,)]
