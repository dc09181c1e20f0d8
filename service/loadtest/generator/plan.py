"""What a drill is asked to do, checked: how many likes, in which time, on which posts, at which address. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import LikewiseError
from service.loadtest.generator.schedule import PROFILES

DEFAULT_URL = "http://127.0.0.1:8080"
MAX_LIKES = 10_000_000  # their tokens are made before the first is sent: 68 bytes each
MAX_SECONDS = 3_600.0
MAX_NETWORKS = 100_000
MAX_CONNECTIONS = 20_000  # an address has some 28,000 ports to give to one other
_STEEPEST = 5.0
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
    html_file: Path | None = None
    profile: str = "flat"
    zipf: float = 1.0  # post number r gets a share like 1 / r^zipf; 0: all the same
    unlikes: float = 0.0  # the share of likes that are taken back
    repeats: float = 0.0  # the share of likes that are sent again
    trouble: bool = False  # refused, lost and unanswered likes are no failure
    networks: int = 0  # visitors come from so many; 0: from this machine's
    connections: int = 64
    most_connections: int = 256
    drain_s: float = 30.0  # how long to wait for late answers, and then for what is pending

    def __post_init__(self) -> None:
        for holds, reason in (
            (1 <= self.likes <= MAX_LIKES, f"--likes must be from 1 to {MAX_LIKES:,}, not {self.likes:,}"),
            (
                1 <= self.posts <= self.likes,
                f"--posts must be from 1 to the number of likes, {self.likes:,}, not {self.posts:,}",
            ),
            (
                0 < self.seconds <= MAX_SECONDS,
                f"--in must be more than 0 and at most an hour, not {self.seconds:g} s",
            ),
            (self.profile in PROFILES, f"--profile must be one of {', '.join(PROFILES)}, not {self.profile!r}"),
            (0 <= self.zipf <= _STEEPEST, f"--zipf must be from 0 to {_STEEPEST:g}, not {self.zipf:g}"),
            (0 <= self.unlikes <= 1, f"--unlikes must be from 0 to 1, not {self.unlikes:g}"),
            (0 <= self.repeats <= 1, f"--repeats must be from 0 to 1, not {self.repeats:g}"),
            (
                0 <= self.networks <= MAX_NETWORKS,
                f"--networks must be from 0 to {MAX_NETWORKS:,}, not {self.networks:,}",
            ),
            (self.unlikes + self.repeats <= 1, "--unlikes and --repeats are of different likes: at most 1 together"),
            (
                1 <= self.most_connections <= MAX_CONNECTIONS,
                f"--connections must be from 1 to {MAX_CONNECTIONS:,}, not {self.most_connections:,}",
            ),
        ):
            if not holds:
                raise DrillUsageError(reason)


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
    if parts.scheme == "https":
        raise DrillUsageError(f"{url!r}: the drill speaks no TLS; give it the http:// address behind what does")
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
