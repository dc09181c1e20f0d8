"""Read the keys that an issuer publishes (JWKS), in the background. Known keys stay valid while it is unavailable."""

import random
from collections.abc import Iterable
from threading import Lock
from time import monotonic

import structlog

from service.auth.https_document import HttpsDocument
from service.auth.jwt_keys import PublicKey, PublishedKey, published_keys
from service.periodic_task import PeriodicTask

# After a failed read. The pause is doubled each time.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
# Between early reads, which a token with an unknown key triggers. Anybody can send such tokens.
EARLY_PAUSE_S = 10.0
# Keys tried for a token that names none. Each one costs a signature check.
MAX_UNNAMED = 4
CLOSE_S = 2.0

_log = structlog.get_logger(__name__)


class Jwks:
    """Reads the keys at start and every `refresh_s` seconds. Raises ConfigurationError if `url` is not https.

    The thread starts with `start` or the first `find`, and not before, because workers are forked.
    """

    def __init__(self, url: str, refresh_s: float, algorithms: Iterable[str]) -> None:
        self._document = HttpsDocument(url)
        self._refresh_s = refresh_s
        self._algorithms = frozenset(algorithms)
        self._keys: tuple[PublishedKey, ...] = ()
        self._lock = Lock()
        self._failures = 0
        self._is_closed = False
        self._has_tried = False
        self._early_read_at = float("-inf")
        self._task = PeriodicTask("jwks", self._refresh, every_s=refresh_s, close_s=CLOSE_S)

    @property
    def ready(self) -> bool:
        """Whether keys could be read, now or before."""
        return bool(self._keys)

    def find(self, kid: str | None, alg: str) -> list[PublicKey]:
        """Return the keys that may have signed a token with this `kid` (None: it has none), from memory.

        An unknown `kid` triggers an early read in the background, at most one every 10 seconds.
        """
        self.start()
        if kid is None:
            return [one.key for one in self._keys if one.signs(alg)][:MAX_UNNAMED]
        named = [one for one in self._keys if one.kid == kid]
        if not named and self._has_tried:
            self._read_early()
        return [one.key for one in named if one.signs(alg)][:MAX_UNNAMED]

    def start(self) -> None:
        """Start the reads in this process. Does nothing if they run, or after `close`."""
        self._task.start()

    def close(self) -> None:
        """End the thread, even in the middle of a response. It cannot be started again."""
        self._is_closed = True
        self._document.close()
        self._task.close()

    def _read_early(self) -> None:
        with self._lock:
            if monotonic() - self._early_read_at < EARLY_PAUSE_S:
                return
            self._early_read_at = monotonic()
        self._task.wake()

    def _refresh(self) -> float:
        """Read the document, and return the seconds until the next time."""
        self._failures = 0 if self._read() else self._failures + 1
        self._has_tried = True
        return pause_s(self._failures, self._refresh_s)

    def _read(self) -> bool:
        try:
            keys = published_keys(self._document.read(), self._algorithms)
            if not keys:
                raise ValueError("it holds no usable key")  # noqa: TRY301 - one place handles every failure
        except Exception as reason:
            # The next read may succeed, after any error.
            if not self._failures and not self._is_closed:
                _log.warning("JWKS document not readable", host=self._document.host, reason=str(reason))
            return False
        self._keys = keys
        if self._failures:
            _log.warning("JWKS document readable again", host=self._document.host, after_failures=self._failures)
        return True


def pause_s(failures: int, refresh_s: float) -> float:
    """Return the seconds until the next read, after a number of failures in a row.

    It varies by 10 %, so that pods do not all read at the same moment.
    """
    pause = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 30), LONGEST_PAUSE_S) if failures else refresh_s
    return pause * random.uniform(0.9, 1.1)  # noqa: S311 - not a secret
