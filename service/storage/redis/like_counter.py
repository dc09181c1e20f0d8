"""The LikeCounter on Redis Cluster. Requests that wait at the same time leave as one pipeline per node."""

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
from service.storage.cache_fill import CacheLoader, Query, encode_snapshot
from service.storage.coalescer import Coalescer
from service.storage.redis.commands import (
    DEGRADED,
    CacheMiss,
    LikeCommand,
    decode_reply,
    group_by_shard,
    within_deadline,
)
from service.storage.redis.health import HealthProbe
from service.storage.redis.node import Node, RedisCommand
from service.storage.redis.shard_client import NewEpoch, Redirect, ShardClient


class RedisLikeCounter:
    """Counts likes at once. Every call ends by its deadline (`redis_deadline_ms`), and may be repeated safely."""

    def __init__(self, shard_client: ShardClient, loader: CacheLoader, settings: Settings) -> None:
        self._shard_client = shard_client
        self._loader = loader
        self._settings = settings
        self._limits: RedisCommand = (settings.queue_bytes, settings.idle_post_ttl_s)
        self._coalescers: dict[Node, Coalescer[LikeCommand]] = {}
        self._health = HealthProbe(shard_client.cluster)

    def submit(self, request: LikeRequest, ack: Ack) -> LikeState:
        """Apply one request; see `service.core.likes.LikeCounter`."""
        command = self.command(request, replicated=ack == "replicated" and request.liked is not None)
        self._complete([command])
        assert isinstance(command.outcome, LikeState)
        if ack == "postgres" and request.liked is not None:
            self._wait_durable(command)
        return command.outcome

    def states(self, posts: Sequence[str], actor: str = "") -> list[LikeState]:
        """Return the state of each post; see `service.core.likes.LikeCounter`."""
        commands = [self.command(LikeRequest(post, actor)) for post in posts]
        self._complete(commands)
        return [command.outcome for command in commands if isinstance(command.outcome, LikeState)]

    def invalidate(self, post: str) -> None:
        """Discard the cached count of a post; see `service.core.likes.LikeCounter`."""
        self._shard_client.call_one("invalidate", shard_of(post, self._settings.shards), post)

    def check(self) -> list[str]:
        """See `service.core.readiness.RedisHealth`."""
        return self._health.check()

    def last_answer_age_s(self) -> float:
        """See `service.core.readiness.RedisHealth`."""
        return self._health.last_answer_age_s()

    def has_ever_counted(self) -> bool:
        """See `service.core.readiness.RedisHealth`. Raises nothing."""
        lookups: dict[Node, list[RedisCommand]] = {}
        for shard in range(self._settings.shards):
            with suppress(CounterUnavailableError):
                lookup = ("HEXISTS", self._shard_client.key(shard), "life")
                lookups.setdefault(self._shard_client.node(shard), []).append(lookup)
        for node, redis_commands in lookups.items():
            with suppress(CounterUnavailableError):
                if 1 in node.call(redis_commands):
                    return True
        return False

    def command(self, request: LikeRequest, *, replicated: bool = False) -> LikeCommand:
        """Return a command with its deadline."""
        deadline = time.monotonic() + self._settings.redis_deadline_ms / 1000
        return LikeCommand(shard_of(request.post, self._settings.shards), request, replicated, deadline)

    def _complete(self, commands: list[LikeCommand]) -> None:
        self._send(commands)
        self.finish(commands)

    def finish(self, commands: list[LikeCommand]) -> None:
        """Repeat commands that were sent once, until each is done. Raises the error of one, at its deadline at last."""
        pause_s = 0.01
        while left := [command for command in commands if not command.done]:
            waits = [self._prepare_retry(command) for command in left]
            if misses := [(command, command.outcome) for command in left if isinstance(command.outcome, CacheMiss)]:
                self._load(misses)
            if any(waits):
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.1)
                # A failure shows in the next round, and is raised at the deadline.
                with suppress(CounterUnavailableError):
                    self._shard_client.cluster.refresh()
            self._send(left)

    def _send(self, commands: list[LikeCommand]) -> None:
        by_node: dict[Node, list[LikeCommand]] = {}
        for command in commands:
            try:
                by_node.setdefault(self._node(command), []).append(command)
            except CounterUnavailableError as error:
                command.outcome = Redirect(str(error))
        for node, batch in by_node.items():
            coalescer = self._coalescers.get(node)
            if coalescer is None:
                coalescer = self._coalescers.setdefault(node, Coalescer(partial(self._run, node)))
            coalescer.submit(batch)

    def _node(self, command: LikeCommand) -> Node:
        if isinstance(command.outcome, Redirect) and command.outcome.ask:
            return self._shard_client.cluster.node(command.outcome.ask)
        return self._shard_client.node(command.shard)

    def _prepare_retry(self, command: LikeCommand) -> bool:
        """Do what a command needs before it is sent again. Return True if the cluster needs time first."""
        outcome = command.outcome
        if isinstance(outcome, LikewiseError):
            raise outcome
        if time.monotonic() > command.deadline:
            reason = outcome.reason if isinstance(outcome, Redirect) else "the shard changes too fast"
            raise CounterUnavailableError(f"not counted in time: {reason}")
        if isinstance(outcome, NewEpoch):
            try:
                self._shard_client.start_epoch(command.shard, outcome)
            except CounterUnavailableError:
                return True
        if isinstance(outcome, CacheMiss) and command.snapshot == DEGRADED:
            raise LikeStoreUnavailableError("Postgres does not answer, and Redis does not hold this post")
        return isinstance(outcome, Redirect) or outcome is None

    def _load(self, misses: list[tuple[LikeCommand, CacheMiss]]) -> None:
        """Load what Redis does not hold, with one query per database."""
        queries = [Query(command.shard, command.request.post, command.request.actor) for command, _ in misses]
        for (command, miss), snapshot in zip(misses, self._loader.load(queries), strict=True):
            command.snapshot = encode_snapshot(snapshot, miss.epoch, miss.acks) if snapshot else DEGRADED

    def _run(self, node: Node, commands: list[LikeCommand]) -> None:
        commands = within_deadline(commands)
        if not commands:
            return
        REDIS_BATCH_COMMANDS.observe(len(commands))
        groups = group_by_shard(commands)
        calls = [self._function_call(shard, group, is_read=is_read) for shard, is_read, group in groups]
        try:
            replies, replicas = self._exchange(node, calls, commands)
        except CounterUnavailableError as error:
            for command in commands:
                command.outcome = Redirect(str(error))
            return
        for (_, _, group), reply in zip(groups, replies, strict=True):
            decode_reply(group, reply)
        for command in commands:
            if command.replicated and command.done and not replicas:
                command.outcome = NotReplicatedError()

    def _exchange(self, node: Node, calls: list[RedisCommand], commands: list[LikeCommand]) -> tuple[list[Any], int]:
        """Return the replies to the function calls, and the number of replicas that confirmed them."""
        asking = any(isinstance(command.outcome, Redirect) and command.outcome.ask for command in commands)
        if asking:
            calls = [part for call in calls for part in (("ASKING",), call)]
        waits = any(command.replicated for command in commands)
        if waits:
            # WAIT is about the last write of this socket, so it must be in the same batch.
            calls = [*calls, ("WAIT", 1, self._settings.redis_timeout_ms // 2)]
        replies = self._shard_client.call(node, calls)
        replicas = replies.pop() if waits else 0
        return replies[1::2] if asking else replies, replicas if isinstance(replicas, int) else 0

    def _function_call(self, shard: int, commands: list[LikeCommand], *, is_read: bool) -> RedisCommand:
        touch = "1" if any(command.replicated for command in commands) else "0"
        args: list[Any] = [*self._limits, touch]
        for command in commands:
            args += command.encode()
        return self._shard_client.command("get_like" if is_read else "set_like", shard, *args)

    def _wait_durable(self, command: LikeCommand) -> None:
        give_up = time.monotonic() + self._settings.durable_deadline_ms / 1000
        while time.monotonic() < give_up:
            epoch, _, _, oldest, *_ = self._shard_client.call_one("poll", command.shard, "", 0)
            if epoch != command.epoch:
                break
            if not oldest or int(oldest.split(b"-")[0]) > command.version:
                return
            time.sleep(0.02)
        raise NotDurableError()
