"""The contract of the API once more, on the real servers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from pydantic import SecretStr

from service import api
from service.app import open_stores
from service.likes import Likes
from tests.contract.api_world import SECRET, SEED_KEY
from tests.contract.test_api import *  # noqa: F403 - every test of it, and its fixtures but `app`

if TYPE_CHECKING:
    from tests.conftest import Servers


@pytest.fixture
def app(servers: "Servers") -> Iterator[Flask]:
    """The app on the servers; counts uncached, so a test reads what it just did."""
    changes = {"secret": SecretStr(SECRET), "seed_key": SecretStr(SEED_KEY), "mint_limit": "100000/minute"}
    settings = servers.with_settings(**changes)
    with open_stores(settings) as stores:
        made = Flask("service", static_folder=None)
        likes = Likes(counter=stores.counter, ledger=stores.ledger, cache_ms=0)
        api.register(made, likes=likes, settings=settings)
        yield made
