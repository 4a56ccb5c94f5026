"""Which addresses may be an endpoint's: the rule of the doors, and what the database's index holds."""

import pytest

from schemas.errors import Permanent
from streams.agents.webhooks import check_webhook
from tests.streams.jobs import new_job


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/in",
        "https://",
        "https://user:secret@hooks.example/in",
        "https://hooks.example\\@inside/in",
        "https://hooks.example/a b",
        "https://[bad",
        "https://hooks.example/" + "ש" * 1000,
    ],
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(Permanent, match="webhook_url") as raised:
        check_webhook(new_job(webhook_url=url).request())
    assert raised.value.code == "invalid_request"


def test_an_endpoint_is_taken() -> None:
    check_webhook(new_job(webhook_url="https://hooks.example:8443/in?tenant=1").request())
