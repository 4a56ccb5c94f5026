"""Images are recognised by their names, and must be named by tag or digest."""

import pytest

from deploy.checks.kubernetes.workloads import runs

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "scribe-rabbit-api:0.1.0",
        "registry.example:5000/scribe/api:0.1.0",
        f"registry.example/scribe-rabbit-api@{DIGEST}",
        f"registry.example/scribe-rabbit-api:0.1.0@{DIGEST}",
    ],
)
def test_an_image_of_any_registry_is_known(image: str) -> None:
    assert runs(image, "api")
    assert not runs(image, "gpu")


@pytest.mark.parametrize("image", ["scribe-rabbit-api", "registry.example:5000/api", "api:latest", "api@sha256:0"])
def test_an_image_that_may_be_another_tomorrow_is_refused(image: str) -> None:
    assert not runs(image, "api")
