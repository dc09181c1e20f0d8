"""The keys that an issuer publishes (JWKS): read in the background, kept while nobody answers."""

import random
import threading
from collections.abc import Iterable
from time import monotonic

import structlog

from service.auth.https_document import Document
from service.auth.jwt_keys import PublicKey, PublishedKey, published_keys

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # after a failed fetch, doubled each time
EARLY_PAUSE_S = 10.0  # between fetches that tokens of unknown keys ask for: anybody can send those
MAX_UNNAMED = 4  # keys tried for a token that names none: each costs a signature check
CLOSE_S = 2.0  # how long close waits for the thread

_log = structlog.get_logger(__name__)


class Jwks:
    """Reads keys at start and each `refresh_s` seconds. ConfigurationError where `url` is not https.

    The thread begins with the first question, or `start`, and not before: workers are forked.
    """

    def __init__(self, url: str, refresh_s: float, algorithms: Iterable[str]) -> None:
        self._document = Document(url)
        self._refresh_s = refresh_s
        self._algorithms = frozenset(algorithms)
        self._keys: tuple[PublishedKey, ...] = ()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._tried = False
        self._asked_at = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether keys could be read, now or before."""
        return bool(self._keys)

    def keys(self, kid: str | None, alg: str) -> list[PublicKey]:
        """The keys that may have signed a token with this `kid` (None: it has none), from memory.

        An unknown `kid` has the document read anew in the background, at most each 10 seconds.
        """
        self.start()
        if kid is None:
            return [one.key for one in self._keys if one.signs(alg)][:MAX_UNNAMED]
        named = [one for one in self._keys if one.kid == kid]
        if not named and self._tried:
            self._read_soon()
        return [one.key for one in named if one.signs(alg)][:MAX_UNNAMED]

    def start(self) -> None:
        """Begin to read, once in each process: a thread does not outlive a fork."""
        with self._lock:
            if not self._closed and not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="jwks", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread, also in the middle of an answer; there is no second start."""
        self._closed = True
        self._wake.set()
        self._document.close()
        if self._thread:
            self._thread.join(CLOSE_S)

    def _read_soon(self) -> None:
        with self._lock:
            if monotonic() - self._asked_at < EARLY_PAUSE_S:
                return
            self._asked_at = monotonic()
        self._wake.set()

    def _run(self) -> None:
        failures = 0
        while not self._closed:
            failures = 0 if self._read(failures) else failures + 1
            self._tried = True
            self._wake.wait(pause_s(failures, self._refresh_s))
            self._wake.clear()

    def _read(self, failures: int) -> bool:
        try:
            keys = published_keys(self._document.read(), self._algorithms)
            if not keys:
                raise ValueError("it holds no key that can be used")  # noqa: TRY301 - one place for all that goes wrong
        except Exception as reason:  # whatever was sent, the thread goes on
            if not failures and not self._closed:
                _log.warning("keys of users' tokens not readable", host=self._document.host, reason=str(reason))
            return False
        self._keys = keys
        if failures:
            _log.warning("keys of users' tokens readable again", host=self._document.host, after_failures=failures)
        return True


def pause_s(failures: int, refresh_s: float) -> float:
    """How long to wait after so many failed fetches in a row; ±10 %, so that pods don't ask all at once."""
    pause = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 30), LONGEST_PAUSE_S) if failures else refresh_s
    return pause * random.uniform(0.9, 1.1)  # noqa: S311 - nothing is kept secret by it
