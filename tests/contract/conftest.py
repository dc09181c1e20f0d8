"""Run every test of the API twice: through the event loop, and through Flask. The responses must be the same."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.loop_client import LoopClient

# Its server is another process.
_OTHER_PROCESS = {"tests.contract.test_api_connections"}
_CLIENTS = {"loop": LoopClient, "flask": FlaskClient}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__
    if name.startswith("tests.contract.test_api") and name not in _OTHER_PROCESS:
        metafunc.fixturenames.append("way")
        metafunc.parametrize("way", list(_CLIENTS), indirect=True)


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send the requests of this test through the event loop of a worker, or to Flask."""
    monkeypatch.setattr(Flask, "test_client_class", _CLIENTS[request.param])
    return request.param
