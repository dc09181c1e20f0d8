"""A pod that can't start says why in a sentence, and ends: no traceback, and no trying again for ever."""

import os
import subprocess
import sys

import pytest

GOOD = "Vb0QXn1uT7yLr3kEw9ZcHsJd2PfAg6Mi"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SECRET": ""}, "LIKEWISE_SECRET is missing"),
        ({"SECRET": "short"}, "LIKEWISE_SECRET has 5 characters"),
        ({"SECRET": "change-me-change-me-change-me-change-me"}, "LIKEWISE_SECRET looks like a sample"),
        ({"SECRET": GOOD, "PREVIOUS_SECRET": "short"}, "LIKEWISE_PREVIOUS_SECRET has 5 characters"),
        ({"SECRET": GOOD, "SITES": "https://*.blog.site"}, "LIKEWISE_SITES"),
        ({"SECRET": GOOD, "API_KEYS": "blog"}, "LIKEWISE_API_KEYS"),
        ({"SECRET": GOOD, "JWT_AUDIENCE": "likes"}, "LIKEWISE_JWT_AUDIENCE needs keys"),
        ({"SECRET": GOOD, "JWT_ALGORITHMS": "none"}, "LIKEWISE_JWT_ALGORITHMS"),
        ({"SECRET": GOOD, "TRUSTED_PROXIES": "10.0.0.0/33"}, "LIKEWISE_TRUSTED_PROXIES"),
        ({"SECRET": GOOD, "ACTOR_LIMIT": "many"}, "LIKEWISE_ACTOR_LIMIT"),
    ],
)
def test_a_setting_that_can_not_work_stops_the_start(settings, sentence):
    environ = os.environ | {f"LIKEWISE_{name}": value for name, value in settings.items()}
    gunicorn = ["-m", "gunicorn", "-c", "python:service.gunicorn_conf", "--bind", "127.0.0.1:0", "-w", "1"]
    ended = subprocess.run(
        [sys.executable, *gunicorn, "service.wsgi:app"],
        env=environ | {"LIKEWISE_METRICS_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4
    assert f"Likewise can't start: {sentence}" in ended.stderr
    assert "Traceback" not in ended.stderr
