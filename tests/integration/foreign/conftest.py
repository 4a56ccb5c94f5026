"""One service for all modules of this folder, and the clients of strangers."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.integration.foreign.clients import ForeignClient, JavaClient, Librdkafka
from tests.integration.foreign.service import WholeService, whole_service


@pytest.fixture(scope="package")
def service(
    kafka: str, postgres_server: Stack, s3_server: Stack, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WholeService]:
    """All processes of the service, with a GPU process that hears the same words in every recording."""
    with whole_service(stack, tmp_path_factory.mktemp("foreign")) as running:
        yield running


@pytest.fixture(scope="package")
def java(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaClient]:
    with JavaClient(kafka, tmp_path_factory.mktemp("java") / "java.log") as client:
        client.start()  # while others wait for the service
        yield client


@pytest.fixture(scope="package")
def librdkafka(kafka: str) -> Librdkafka:
    return Librdkafka(kafka)


@pytest.fixture(scope="package")
def clients(java: JavaClient, librdkafka: Librdkafka) -> dict[str, ForeignClient]:
    return {"java": java, "librdkafka": librdkafka}
