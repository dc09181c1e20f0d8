"""What a drill is asked to do, checked: how many likes, in which time, on which posts, at which address. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import LikewiseError

DEFAULT_URL = "http://127.0.0.1:8080"
MAX_LIKES = 10_000_000  # their tokens are made before the first is sent: 68 bytes each
MAX_SECONDS = 3_600.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, None: 1.0}


class DrillUsageError(LikewiseError):
    """The drill can't be done as asked."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked. `connections` are opened first, and up to `most_connections` while all are busy."""

    likes: int
    seconds: float
    posts: int = 1
    url: str = DEFAULT_URL
    json_file: Path | None = None
    connections: int = 64
    most_connections: int = 512
    drain_s: float = 30.0  # how long to wait for late answers, and then for what is pending

    def __post_init__(self) -> None:
        if not 1 <= self.likes <= MAX_LIKES:
            raise DrillUsageError(f"--likes must be from 1 to {MAX_LIKES:,}, not {self.likes:,}")
        if not 1 <= self.posts <= self.likes:
            raise DrillUsageError(f"--posts must be from 1 to the number of likes, {self.likes:,}, not {self.posts:,}")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise DrillUsageError(f"--in must be more than 0 and at most an hour, not {self.seconds:g} s")


@dataclass(frozen=True, slots=True)
class Target:
    """Where likes go: one address, and no other is ever asked."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A flat rate: `likes` over `seconds`, whatever the server does. Times are seconds since the start."""

    likes: int
    seconds: float

    def at(self, like: int) -> float:
        """When the like, from 0 on, is due."""
        return like * self.seconds / self.likes

    def due(self, elapsed: float) -> int:
        """How many likes are due by then."""
        return min(self.likes, int(elapsed * self.likes / self.seconds) + 1) if elapsed >= 0 else 0


def parse_duration(text: str) -> float:
    """`30s`, `4m`, `1.5h`, `500ms` or `30` (seconds), in seconds. Raises DrillUsageError."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise DrillUsageError(f"{text!r} is not a duration; write 30s, 4m or 500ms")
    return float(found[1]) * _UNITS[found[2]]


def parse_url(url: str) -> Target:
    """`http://HOST[:PORT]`. Raises DrillUsageError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DrillUsageError(f"{url!r} is not an address: {error}") from error
    if parts.scheme != "http" or not host or not host.isascii():
        raise DrillUsageError(f"{url!r} is not an address of the form http://HOST:PORT")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise DrillUsageError(f"{url!r} holds more than http://HOST:PORT; the drill adds the paths itself")
    return Target(host, 80 if port is None else port)


def post_names(count: int, now: datetime | None = None) -> Sequence[str]:
    """`drill-TIME-0` and on: names that no other run has, so that runs do not mix."""
    moment = now or datetime.now(UTC)
    run = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond:06d}"
    return [f"drill-{run}-{at}" for at in range(count)]
