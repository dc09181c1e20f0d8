"""The LikeCounter on Redis Cluster: wishes that wait together leave as one pipeline per node."""

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from service.core.likes import LikeRequest, LikeState
from service.errors import (
    CounterUnavailableError,
    LikeStoreUnavailableError,
    LikewiseError,
    NotDurableError,
    NotReplicatedError,
)
from service.observability.metrics import REDIS_BATCH_COMMANDS
from service.settings import Ack, Settings
from service.sharding import shard_of
from service.storage.cache_fill import CacheLoader, Query, arguments
from service.storage.coalescer import Coalescer
from service.storage.redis.cluster import Command, Node
from service.storage.redis.commands import DEGRADED, CacheMiss, LikeCommand, decode_reply, group_by_shard
from service.storage.redis.health import HealthProbe
from service.storage.redis.shard_client import NewEpoch, Redirect, ShardClient


class RedisLikeCounter:
    """Counts wishes at once. Every call ends by its deadline (`redis_deadline_ms`), and is safe to repeat."""

    def __init__(self, shards: ShardClient, loader: CacheLoader, settings: Settings) -> None:
        self._shards = shards
        self._loader = loader
        self._settings = settings
        self._head: Command = (settings.queue_bytes, settings.settled_ttl_s)
        self._batchers: dict[Node, Coalescer[LikeCommand]] = {}
        self._health = HealthProbe(shards.cluster)

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        """Make one wish true; see `service.core.likes.LikeCounter`."""
        call = self._call(request, replicated=ack == "replicated" and request.liked is not None)
        self._complete([call])
        assert isinstance(call.outcome, LikeState)
        if ack == "postgres" and request.liked is not None:
            self._wait_durable(call)
        return call.outcome

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        """How posts stand; see `service.core.likes.LikeCounter`."""
        calls = [self._call(LikeRequest(post, actor)) for post in posts]
        self._complete(calls)
        return [call.outcome for call in calls if isinstance(call.outcome, LikeState)]

    def invalidate(self, post: str) -> None:
        """See `service.core.likes.LikeCounter`."""
        self._shards.call_one("invalidate", shard_of(post, self._settings.shards), post)

    def check(self) -> list[str]:
        """See `service.core.readiness.RedisHealth`."""
        return self._health.check()

    def silent_s(self) -> float:
        """See `service.core.readiness.RedisHealth`."""
        return self._health.silent_s()

    def has_ever_counted(self) -> bool:
        """See `service.core.readiness.RedisHealth`. Raises nothing."""
        lookups: dict[Node, list[Command]] = {}
        for shard in range(self._settings.shards):
            with suppress(CounterUnavailableError):
                lookups.setdefault(self._shards.node(shard), []).append(("HEXISTS", self._shards.key(shard), "life"))
        for node, commands in lookups.items():
            with suppress(CounterUnavailableError):
                if 1 in node.call(commands):
                    return True
        return False

    def _call(self, request: LikeRequest, *, replicated: bool = False) -> LikeCommand:
        deadline = time.monotonic() + self._settings.redis_deadline_ms / 1000
        return LikeCommand(shard_of(request.post, self._settings.shards), request, replicated, deadline)

    def _complete(self, calls: list[LikeCommand]) -> None:
        left, pause_s = calls, 0.01
        while left:
            self._send(left)
            left = [call for call in left if not call.done]
            moved = False
            for call in left:
                moved |= self._prepare_again(call)
            self._load([(call, call.outcome) for call in left if isinstance(call.outcome, CacheMiss)])
            if moved:
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.1)
                with suppress(CounterUnavailableError):  # then the next round says so, until the deadline
                    self._shards.cluster.refresh()

    def _send(self, calls: list[LikeCommand]) -> None:
        by_node: dict[Node, list[LikeCommand]] = {}
        for call in calls:
            try:
                node = self._shards.node(call.shard)
                if isinstance(call.outcome, Redirect) and call.outcome.ask:
                    node = self._shards.cluster.node(call.outcome.ask)
                by_node.setdefault(node, []).append(call)
            except CounterUnavailableError as error:
                call.outcome = Redirect(str(error))
        for node, batch in by_node.items():
            lane = self._batchers.get(node)
            if lane is None:
                lane = self._batchers.setdefault(node, Coalescer(partial(self._run, node)))
            lane.submit(batch)

    def _prepare_again(self, call: LikeCommand) -> bool:
        """What a call that is not done needs before it is sent again; True if that is time."""
        outcome = call.outcome
        if isinstance(outcome, LikewiseError):
            raise outcome
        if time.monotonic() > call.deadline:
            reason = outcome.reason if isinstance(outcome, Redirect) else "the shard changes too fast"
            raise CounterUnavailableError(f"not counted in time: {reason}")
        if isinstance(outcome, NewEpoch):
            try:
                self._shards.start_epoch(call.shard, outcome)
            except CounterUnavailableError:
                return True
        if isinstance(outcome, CacheMiss) and call.load == DEGRADED:
            raise LikeStoreUnavailableError("Postgres is away, and Redis does not hold this post")
        return isinstance(outcome, Redirect) or outcome is None

    def _load(self, missed: list[tuple[LikeCommand, CacheMiss]]) -> None:
        """Load what Redis does not hold, all that a database has in one query."""
        queries = [Query(call.shard, call.request.post, call.request.actor) for call, _ in missed]
        for (call, ticket), base in zip(missed, self._loader.load(queries), strict=True):
            call.load = arguments(base, ticket.epoch, ticket.acks) if base else DEGRADED

    def _run(self, node: Node, calls: list[LikeCommand]) -> None:
        now = time.monotonic()
        for late in (call for call in calls if call.deadline <= now):
            late.outcome = Redirect("it waited past its deadline")
        calls = [call for call in calls if call.deadline > now]
        if not calls:
            return
        REDIS_BATCH_COMMANDS.observe(len(calls))
        groups = group_by_shard(calls)
        commands = [self._command(shard, group, asking=asking) for shard, asking, group in groups]
        try:
            asked = any(isinstance(call.outcome, Redirect) and call.outcome.ask for call in calls)
            replies, replicas = self._exchange(node, commands, calls, asked)
        except CounterUnavailableError as error:
            for call in calls:
                call.outcome = Redirect(str(error))
            return
        for (_, _, group), reply in zip(groups, replies, strict=True):
            decode_reply(group, reply)
        for call in calls:
            if call.replicated and call.done and not replicas:
                call.outcome = NotReplicatedError()

    def _exchange(
        self, node: Node, commands: list[Command], calls: list[LikeCommand], asked: bool
    ) -> tuple[list[Any], int]:
        if asked:
            commands = [part for command in commands for part in (("ASKING",), command)]
        waits = any(call.replicated for call in calls)
        if waits:
            # In the same write: WAIT is about this socket's last write, and another batch must not come between.
            commands = [*commands, ("WAIT", 1, self._settings.redis_timeout_ms // 2)]
        replies = self._shards.call(node, commands)
        replicas = replies.pop() if waits else 0
        return replies[1::2] if asked else replies, replicas if isinstance(replicas, int) else 0

    def _command(self, shard: int, calls: list[LikeCommand], *, asking: bool) -> Command:
        touch = "1" if any(call.replicated for call in calls) else "0"
        args: list[Any] = [*self._head, touch]
        for call in calls:
            args += call.arguments()
        return self._shards.command("get_like" if asking else "set_like", shard, *args)

    def _wait_durable(self, call: LikeCommand) -> None:
        give_up = time.monotonic() + self._settings.durable_deadline_ms / 1000
        while time.monotonic() < give_up:
            epoch, _, _, oldest, *_ = self._shards.call_one("poll", call.shard, "", 0)
            if epoch != call.epoch:
                break
            if not oldest or int(oldest.split(b"-")[0]) > call.version:
                return
            time.sleep(0.02)
        raise NotDurableError()
