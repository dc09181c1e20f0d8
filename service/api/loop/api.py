"""Decide which requests the event loop answers, and begin to answer them."""

import re
from collections.abc import Callable
from typing import Any

from service.api.http.request_log import SlowRequestLog
from service.api.loop.counts import LoopCounts
from service.api.loop.likes import LoopLikes
from service.api.loop.metrics import LoopMetrics
from service.api.loop.ports import Exchange, NonBlockingLikeCounter
from service.auth.identity import Authenticator
from service.core.likes import Likes

_ID = "[A-Za-z0-9._:~/-]+"
_LIKE = re.compile(f"/v1/posts/({_ID})/like")
_COUNT = re.compile(f"/v1/posts/({_ID})/count")
_COUNTS = re.compile(rf"/v1/counts\?(post={_ID}(?:&post={_ID})*)")

# A decision about a request's headers.
Decision = Callable[[dict[str, Any]], bool]


class LoopApi:
    """Answers likes, unlikes and counts.

    counter: None if a like must wait for more than Redis; Flask then answers likes.
    is_traced: returns whether a request is traced, from its environ. Flask answers those.
    """

    def __init__(
        self,
        likes: Likes,
        authenticator: Authenticator,
        request_log: SlowRequestLog,
        counter: NonBlockingLikeCounter | None,
        is_traced: Decision | None = None,
    ) -> None:
        self._is_traced = is_traced
        self._metrics = LoopMetrics(request_log, authenticator.clients.is_trusted_proxy)
        self._counter = counter
        self._counts = LoopCounts(likes, authenticator, self._metrics)
        self._likes = LoopLikes(likes, authenticator, self._metrics, counter) if counter else None

    def begin(self, exchange: Exchange) -> bool:
        """Begin to answer a request. Return False, with nothing done, if Flask must answer it."""
        is_read = exchange.method == "GET"
        if is_read:
            match = _COUNT.fullmatch(exchange.target) or _COUNTS.fullmatch(exchange.target)
        else:
            match = _LIKE.fullmatch(exchange.target) if self._likes else None
        if match is None or (self._is_traced and self._is_traced(exchange.environ)):
            return False
        if not is_read:
            assert self._likes
            return self._likes.begin(exchange, match[1])
        posts = [match[1]] if match.re is _COUNT else [pair[len("post=") :] for pair in match[1].split("&")]
        return self._counts.begin(exchange, posts, is_single=match.re is _COUNT)

    def tick(self) -> None:
        """Publish metrics, and let the counter give up what takes too long. Call it several times a second."""
        self._metrics.publish()
        if self._counter:
            self._counter.tick()

    def close(self) -> None:
        """Publish the last metrics, and close the counter's sockets."""
        self._metrics.publish()
        if self._counter:
            self._counter.close()
