"""Run every test of the API twice: on the fast path, and through Flask. The responses must be the same."""

import pytest

from service.api.fast_path import FastPath

# Its server is another process.
_OTHER_PROCESS = {"tests.contract.test_api_connections"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__
    if name.startswith("tests.contract.test_api") and name not in _OTHER_PROCESS:
        metafunc.fixturenames.append("http_path")
        metafunc.parametrize("http_path", ["fast", "flask"], indirect=True)


@pytest.fixture
def http_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Answer the likes of this test on the fast path, or through Flask."""
    if request.param == "flask":
        monkeypatch.setattr(FastPath, "__call__", lambda fast_path, environ, start: fast_path.app(environ, start))
    return request.param
