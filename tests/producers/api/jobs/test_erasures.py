"""Erasing over REST: gone at once, with evidence; nobody erases what is another tenant's or held."""

from datetime import UTC, datetime
from uuid import uuid4

import psycopg

from sink.objects.s3 import S3ObjectStore
from tests.integration.shim import serving
from tests.sink.bulk import fill, traces


def test_a_job_is_erased_and_the_evidence_stays(database: str, object_store: S3ObjectStore) -> None:
    bulk = fill(database, object_store, 1, datetime.now(UTC))
    (job_id,) = bulk.job_ids
    with serving(database, object_store) as shim, shim.client() as client:
        path = f"/api/v1/jobs/{job_id}"
        assert client.get(f"/api/v1/erasures/{job_id}").status_code == 404
        answer = client.delete(path, params={"erase": "true"})
        assert (answer.status_code, answer.json()["rows"]["jobs"]) == (202, 1)
        assert client.get(path).status_code == 404
        assert client.get(answer.headers["location"]).json() == answer.json()
        assert client.delete(path, params={"erase": "true"}).json() == answer.json()
        assert client.delete(f"/api/v1/jobs/{uuid4()}", params={"erase": "true"}).status_code == 404
    assert traces(database, bulk) == {}


def test_what_is_held_or_another_tenants_is_not_erased(database: str, object_store: S3ObjectStore) -> None:
    own, other = (fill(database, None, 1, datetime.now(UTC), tenant=tenant) for tenant in ("acme", "globex"))
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO legal_holds (tenant, reason) VALUES ('acme', 'a secret case')")
    with serving(database, object_store) as shim, shim.client() as client:
        held = client.delete(f"/api/v1/jobs/{own.job_ids[0]}", params={"erase": "true"})
        assert (held.status_code, held.json()["code"]) == (409, "held")
        assert "secret" not in held.text
        assert client.delete(f"/api/v1/jobs/{other.job_ids[0]}", params={"erase": "true"}).status_code == 404
