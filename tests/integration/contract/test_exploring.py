"""A few drawn requests to every operation: each answer is one that the OpenAPI document describes.

Ten thousand, with keys of every scope: `python -m tests.bench.contract`.
"""

from producers.api.web.contract.walk import operations
from schemas.ports import ObjectStore
from tests.integration.contract.exploring import SCOPES, TENANTS, explore, explored_shim, filled

QUICK = ("examples", "fuzzing")


def test_every_answer_is_one_that_the_document_describes(database: str, object_store: ObjectStore) -> None:
    with explored_shim(database, object_store) as shim:
        found = explore(shim, TENANTS[0], SCOPES[0], filled(shim), examples=1, phases=QUICK)
        with shim.client() as client:
            document = client.get("/openapi.json").json()
    assert not found.findings, str(found)
    assert {200, 202, 404, 422} <= found.statuses.keys()
    del document["webhooks"]  # which are sent, not answered
    assert found.operations.keys() == {label for label, _ in operations(document)}


def test_so_is_every_answer_to_a_key_of_another_tenant_that_only_reads(
    database: str, object_store: ObjectStore
) -> None:
    with explored_shim(database, object_store) as shim:
        found = explore(shim, TENANTS[1], SCOPES[1], filled(shim), examples=1, phases=["examples"])
    assert not found.findings, str(found)
    assert {200, 403, 404} <= found.statuses.keys()
