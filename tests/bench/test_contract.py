"""The bench of the REST contract: ten thousand drawn requests, none of which gets an answer that is not documented."""

import pytest

from schemas.ports import ObjectStore
from tests.bench.contract import CASES, EXAMPLES
from tests.integration.contract.exploring import explore_all, explored_shim


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_thousand_requests_get_no_answer_that_is_not_documented(database: str, object_store: ObjectStore) -> None:
    with explored_shim(database, object_store) as shim:
        found = explore_all(shim, cases=CASES, examples=EXAMPLES)
    assert found.cases >= CASES
    assert not found.findings, str(found)
