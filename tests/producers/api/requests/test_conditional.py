"""Entity tags that a client names."""

from producers.api.requests.conditional import is_known


def test_a_file_that_the_client_has_is_recognised() -> None:
    assert all(is_known(given, "x") for given in (['"x"'], ['W/"x"'], ['"y", "x"'], ["*"]))
    assert not any(is_known(given, "x") for given in ([], [""], ['"y"'], ["x"]))
