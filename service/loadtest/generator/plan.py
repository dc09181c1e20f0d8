"""Check the options of a load test: number of likes, duration, posts and target. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import LikewiseError
from service.loadtest.generator.schedule import PROFILES

DEFAULT_URL = "http://127.0.0.1:8080"
# A token of 68 bytes is made for each like before the first one is sent.
MAX_LIKES = 10_000_000
MAX_SECONDS = 3_600.0
MAX_NETWORKS = 100_000
# One address has about 28,000 ports for connections to one other address.
MAX_CONNECTIONS = 20_000
_MAX_ZIPF = 5.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, None: 1.0}


class DrillUsageError(LikewiseError):
    """The load test cannot be run with these options. The message names the option and its valid values."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a load test.

    zipf: the share of post number r is proportional to 1 / r^zipf; 0 gives every post the same share.
    unlikes, repeats: shares of the likes that are taken back, or sent again.
    allow_errors: refused, lost and unanswered likes are no failure.
    networks: number of networks that visitors come from; 0 sends no X-Forwarded-For.
    connections, max_connections: opened at the start, and at most.
    late_s: for how long after the planned end likes that could not be sent in time are sent.
    drain_s: how long to wait for the last responses, and then for pending likes.
    """

    likes: int
    seconds: float
    posts: int = 1
    url: str = DEFAULT_URL
    json_file: Path | None = None
    html_file: Path | None = None
    profile: str = "flat"
    zipf: float = 1.0
    unlikes: float = 0.0
    repeats: float = 0.0
    allow_errors: bool = False
    networks: int = 0
    connections: int = 64
    max_connections: int = 256
    late_s: float = 600.0
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        for is_valid, reason in self._rules():
            if not is_valid:
                raise DrillUsageError(reason)

    def _rules(self) -> Iterable[tuple[bool, str]]:
        yield _within("--likes", self.likes, 1, MAX_LIKES)
        yield (
            1 <= self.posts <= self.likes,
            f"--posts must be from 1 to the number of likes, {self.likes:,}, not {self.posts:,}",
        )
        yield 0 < self.seconds <= MAX_SECONDS, f"--in must be more than 0 and at most 1h, not {self.seconds:g} s"
        yield self.profile in PROFILES, f"--profile must be one of {', '.join(PROFILES)}, not {self.profile!r}"
        yield _within("--zipf", self.zipf, 0, _MAX_ZIPF)
        yield _within("--unlikes", self.unlikes, 0, 1)
        yield _within("--repeats", self.repeats, 0, 1)
        yield (
            self.unlikes + self.repeats <= 1,
            f"--unlikes and --repeats must add up to at most 1, not {self.unlikes + self.repeats:g}",
        )
        yield _within("--networks", self.networks, 0, MAX_NETWORKS)
        yield _within("--connections", self.max_connections, 1, MAX_CONNECTIONS)


def _within(option: str, value: float, lowest: float, highest: float) -> tuple[bool, str]:
    low, high, actual = (f"{n:,}" if isinstance(n, int) else f"{n:g}" for n in (lowest, highest, value))
    return lowest <= value <= highest, f"{option} must be from {low} to {high}, not {actual}"


@dataclass(frozen=True, slots=True)
class Target:
    """The one address that receives the load. No other address is ever contacted."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_duration(text: str) -> float:
    """Return the seconds of `30s`, `4m`, `1.5h`, `500ms` or `30` (seconds). Raises DrillUsageError."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise DrillUsageError(f"--in: {text!r} is not a duration. Write 30s, 4m or 500ms")
    return float(match[1]) * _UNITS[match[2]]


def parse_url(url: str) -> Target:
    """Return the target that `http://HOST[:PORT]` names. Raises DrillUsageError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DrillUsageError(f"--url: {url!r} is not a URL: {error}") from error
    if parts.scheme == "https":
        raise DrillUsageError(
            f"--url: {url!r} needs TLS, which the load test does not support. "
            "Give it the http:// address behind the TLS proxy"
        )
    if parts.scheme != "http" or not host or not host.isascii():
        raise DrillUsageError(f"--url: {url!r} does not have the form http://HOST:PORT")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise DrillUsageError(f"--url: {url!r} must be http://HOST:PORT only. The load test adds the paths")
    return Target(host, 80 if port is None else port)


def post_names(count: int, now: datetime | None = None) -> Sequence[str]:
    """Return `drill-TIME-0` and so on: names that no other run uses."""
    moment = now or datetime.now(UTC)
    run = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond:06d}"
    return [f"drill-{run}-{at}" for at in range(count)]
