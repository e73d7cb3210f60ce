"""The API of a store, served over real HTTP."""

from collections.abc import Iterator

import pytest
from served import served

from db.layout import Layout
from jobs.api import server
from jobs.report import routes


@pytest.fixture(scope="module")
def address(full_store: Layout) -> Iterator[str]:
    """The address of the served API."""
    with served([*server.routes(full_store), *routes.routes(full_store)]) as found:
        yield found
