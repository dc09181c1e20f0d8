"""`likewise up` as a separate process."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psutil

from service.devstack.processes import HOST, wait_until


class RunningStack:
    """One `likewise up`. Its state directory is below `directory`."""

    def __init__(self, directory: Path, port: int, *, metrics_port: int, options: tuple[str, ...] = ()) -> None:
        self.state = directory / "state"
        self._output = directory / "output"
        directory.mkdir(exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIKEWISE_")}
        settings = {
            "LIKEWISE_STATE_DIR": str(self.state),
            "LIKEWISE_METRICS_PORT": str(metrics_port),
            # The first like of a post asks Postgres, takes longer than this, and is logged.
            "LIKEWISE_SLOW_REQUEST_MS": "1",
        }
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up", "--port", str(port), *options],
                env={**clean, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def port(self) -> int:
        """The port of NGINX, once the stack is up."""
        return int(re.findall(rf"Likewise is up: http://{HOST}:(\d+)/", self.output)[0])

    @property
    def ports(self) -> list[int]:
        """All ports that the stack lists, once it is up."""
        listed = self.output.partition("Likewise is up")[2].partition("  logs ")[0]
        return [int(port) for port in re.findall(rf"{HOST}:(\d+)", listed)]

    @property
    def databases(self) -> list[str]:
        """The URLs of its Postgres servers, once it is up."""
        return re.findall(r"=(postgresql://\S+)", self.output)

    def wait_up(self) -> None:
        """Wait until the stack is up. Stop it and fail if it is not in time."""
        try:
            self.wait_for("Likewise is up")
        except BaseException:
            self.end(signal.SIGTERM)
            raise

    def wait_for(self, text: str) -> None:
        """Wait until the stack has printed the text."""

        def is_printed() -> bool:
            assert self.process.poll() is None or text in self.output, self.output
            return text in self.output

        wait_until(is_printed, timeout_s=100, what=f"{text!r}, got {self.output}")

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return int(json.loads((self.state / "run" / f"{name}.json").read_text())["pid"])

    def end(self, how: signal.Signals) -> int:
        """Send the signal, and return the exit code once no child is left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(how)
        code = self.process.wait(60)
        assert not psutil.wait_procs(family, timeout=30)[1]
        return code

    def request(
        self, method: str, path: str, port: int | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the body of the response, and fail unless its status is good."""
        connection = http.client.HTTPConnection(HOST, port or self.port, timeout=10)
        with closing(connection):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            body = response.read()
            assert response.status < 300, body
            return body

    def succeeds(self, method: str, path: str) -> bool:
        """Return whether the request is answered with a good status."""
        try:
            self.request(method, path)
        except (OSError, http.client.HTTPException, AssertionError):
            return False
        return True

    def count(self, post: str) -> int:
        """Return the likes of the post."""
        return int(json.loads(self.request("GET", f"/v1/posts/{post}/count"))["count"])
