"""Define the rate limits of a like: per actor, per network, and for new visitors of a network."""

from service.ratelimit.limiter import RateLimiter, WindowStats, hit_all
from service.settings import Settings


class RateLimits:
    """The rate limits of this process. Raises ConfigurationError if a setting is not a limit."""

    def __init__(self, settings: Settings) -> None:
        self._actors = RateLimiter("likes-of-an-actor", settings.actor_limit, "LIKEWISE_ACTOR_LIMIT")
        self._networks = RateLimiter("likes-from-a-network", settings.network_limit, "LIKEWISE_NETWORK_LIMIT")
        self._new_visitors = RateLimiter("new-visitors", settings.new_visitor_limit, "LIKEWISE_NEW_VISITOR_LIMIT")
        self.all = (self._actors, self._networks, self._new_visitors)

    def hit_new_visitor(self, network: str) -> list[WindowStats]:
        """Count the like of a new visitor, and return what is left for new visitors of the network.

        An empty `network` has no limits. Raises RateLimitExceededError; nothing is counted then.
        """
        if not network:
            return []
        return hit_all([(self._new_visitors, network), (self._networks, network)], with_stats=True)[:1]

    def hit_like(self, actor: str, network: str) -> None:
        """Count the like of a known actor. An empty `network` has no limit.

        Raises RateLimitExceededError; nothing is counted then.
        """
        hit_all(((self._actors, actor), (self._networks, network)) if network else ((self._actors, actor),))
