"""Which limits a like falls under: its actor's, its network's, and for a new visitor that of new visitors."""

from service.ratelimit.limiter import Allowance, Quota, spend_all
from service.settings import Settings


class Quotas:
    """The limits of this process. Raises ConfigurationError where a setting is none."""

    def __init__(self, settings: Settings) -> None:
        self._of_actor = Quota("likes-of-an-actor", settings.actor_limit, "LIKEWISE_ACTOR_LIMIT")
        self._of_network = Quota("likes-from-a-network", settings.network_limit, "LIKEWISE_NETWORK_LIMIT")
        self._new_visitors = Quota("new-visitors", settings.mint_limit, "LIKEWISE_MINT_LIMIT")
        self.all = (self._of_actor, self._of_network, self._new_visitors)

    def spend_new(self, network: str) -> list[Allowance]:
        """A new visitor's like; `network` '' has no limits. Raises LimitedError, and nothing is spent then."""
        if not network:
            return []
        return spend_all([(self._new_visitors, network), (self._of_network, network)])[:1]

    def spend_like(self, actor: str, network: str) -> None:
        """A like of someone known. Raises LimitedError, and nothing is spent then."""
        spend_all([(self._of_actor, actor)] + ([(self._of_network, network)] if network else []))
