"""Like posts without HTTP, to prepare what is measured."""

import secrets
from base64 import urlsafe_b64encode

from service.bootstrap.stores import Stores
from service.core.likes import LikeRequest

_BATCH = 2_000


def new_actors(count: int) -> list[str]:
    """Return actor ids of 22 characters, as visitors' tokens have them."""
    return [urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode() for _ in range(count)]


def like_all(stores: Stores, posts: list[str], actors: list[str]) -> None:
    """Like the posts in turn, once for each actor, in batches."""
    counter = stores.counter
    requests = [LikeRequest(posts[at % len(posts)], actor, liked=True) for at, actor in enumerate(actors)]
    for first in range(0, len(requests), _BATCH):
        # The counter's public method takes one request. Calling it from many threads is not faster.
        counter._complete([counter.command(request) for request in requests[first : first + _BATCH]])
