"""One server for the tests that only ask."""

from collections.abc import Iterator

import httpx
import pytest

from tests.serve.shop import Server, checkpoint, client, dataset, running


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    """The tiny shop behind a real server on this machine."""
    with running(checkpoint(), f"--dataset={dataset()}") as started:
        yield started


@pytest.fixture
def ask(server: Server) -> Iterator[httpx.Client]:
    """Asks that server."""
    with client(server) as asking:
        yield asking
