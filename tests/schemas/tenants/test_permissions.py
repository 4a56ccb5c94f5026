"""What a policy allows: nothing said is everything, and a list is all there is."""

from dataclasses import replace

import pytest

from schemas.errors import NotAllowed
from schemas.tenants.permissions import check_host, check_model, free_policy, may_read, policy_for
from tests.samples import AT

FREE = free_policy("acme")


def test_a_tenant_of_whom_nothing_was_said_may_do_all_or_nothing() -> None:
    assert policy_for("acme", None, "allow") == FREE
    with pytest.raises(NotAllowed, match="acme") as caught:
        policy_for("acme", None, "deny")
    assert caught.value.code == "unknown_tenant"
    known = replace(FREE, at=AT)
    assert policy_for("acme", known, "deny") is policy_for("acme", known, "allow") is known


def test_models_and_hosts_are_free_until_some_are_named() -> None:
    check_model(FREE, "large-v3")
    check_host(FREE, "media.example")
    policy = replace(FREE, models=("turbo",), allowed_hosts=("media.example",))
    check_model(policy, "turbo")
    check_host(policy, "media.example")
    with pytest.raises(NotAllowed, match="'large-v3' is none of turbo") as caught:
        check_model(policy, "large-v3")
    assert caught.value.code == "model_not_allowed"
    for other in ("example", "a.media.example", "media.example.evil.example", "192.0.2.1"):
        with pytest.raises(NotAllowed, match=other) as caught:
            check_host(policy, other)
        assert caught.value.code == "source_refused"


@pytest.mark.parametrize(
    ("uri", "may"),
    [
        ("s3://archive/calls/2026/x.wav", True),
        ("s3://archive/calls-of-others/x.wav", False),
        ("s3://archive", False),
        ("s3://archive-of-others/calls/x.wav", False),
        ("s3://whole/x.wav", True),
        ("s3://whole-other/x.wav", False),
        ("S3://whole/x.wav", False),
        ("https://s3://whole/x.wav", False),
    ],
)
def test_prefixes_open_what_begins_with_them(uri: str, may: bool) -> None:
    policy = replace(FREE, allowed_prefixes=("s3://archive/calls/", "s3://whole"))
    assert may_read(policy, uri) is may
    assert not may_read(FREE, uri)
