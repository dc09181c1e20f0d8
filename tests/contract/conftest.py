"""Every test of the API twice: likes take the hot path, and likes go through Flask. Nobody may tell the difference."""

import pytest

from service.api.fast_path import FastPath

_ELSEWHERE = {"tests.contract.test_api_socket"}  # in a process of its own


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__
    if name.startswith("tests.contract.test_api") and name not in _ELSEWHERE:
        metafunc.fixturenames.append("way")
        metafunc.parametrize("way", ["hot", "flask"], indirect=True)


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way likes go in this test."""
    if request.param == "flask":
        monkeypatch.setattr(FastPath, "__call__", lambda hot, environ, start: hot.app(environ, start))
    return request.param
