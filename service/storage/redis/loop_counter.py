"""The LikeCounter on gevent's event loop: likes of one turn of the loop leave as one batch per node.

What cannot be answered at once (a cache miss, a redirect, a new epoch, a lost connection) is finished by the blocking
counter in a greenlet, until the command's deadline.
"""

from collections.abc import Callable

import gevent

from service.core.likes import LikeRequest, LikeState
from service.errors import LikewiseError
from service.observability.batched_metrics import BatchedHistogram
from service.observability.metrics import REDIS_BATCH_COMMANDS
from service.settings import Settings
from service.storage.redis.commands import LikeCommand, bulk_strings, group_by_shard
from service.storage.redis.functions import name_of
from service.storage.redis.like_counter import RedisLikeCounter
from service.storage.redis.node import Node
from service.storage.redis.node_pipe import Group, NodePipe
from service.storage.redis.shard_client import ShardClient

Done = Callable[[LikeState | Exception], None]
# Arguments of a call: the function, the number of keys, the key and three settings.
_FIXED_ARGS = 7
_ARGS_OF_A_COMMAND = 4


class RedisLoopCounter:
    """See `service.api.loop.ports.NonBlockingLikeCounter`. Every call ends by its deadline (`redis_deadline_ms`)."""

    def __init__(self, shard_client: ShardClient, counter: RedisLikeCounter, settings: Settings) -> None:
        self._shard_client = shard_client
        self._counter = counter
        self._timeout_s = settings.redis_timeout_ms / 1000
        self._pipes: dict[Node, NodePipe] = {}
        self._batch_sizes = BatchedHistogram(REDIS_BATCH_COMMANDS)
        limits = (str(settings.queue_bytes).encode(), str(settings.idle_post_ttl_s).encode(), b"0")
        function = name_of("set_like").encode()
        keys = [shard_client.key(shard).encode() for shard in range(settings.shards)]
        self._call_heads = [bulk_strings(b"FCALL", function, b"1", key, *limits) for key in keys]

    def begin(self, request: LikeRequest, done: Done) -> None:
        """Apply a like or an unlike; see `service.api.loop.ports.NonBlockingLikeCounter`."""
        command = self._counter.command(request)
        command.callback = done
        node = self._shard_client.known_node(command.shard)
        if node is None:
            # The slot map has not been read yet.
            gevent.spawn(self._finish, command)
            return
        pipe = self._pipes.get(node)
        if pipe is None:
            pipe = self._pipes[node] = NodePipe(node, encode=self._encode, deliver=self._deliver)
        pipe.add(command)

    def tick(self) -> None:
        """Give up what takes too long; see `service.api.loop.ports.NonBlockingLikeCounter`."""
        for node, pipe in list(self._pipes.items()):
            pipe.fail_late(self._timeout_s)
            if not self._shard_client.cluster.has(node):
                del self._pipes[node]
                pipe.close()
        self._batch_sizes.publish()

    def close(self) -> None:
        """Close every socket."""
        for pipe in self._pipes.values():
            pipe.close()

    def _encode(self, batch: list[LikeCommand]) -> tuple[bytes, list[Group]]:
        """Return the batch as one function call for each shard."""
        self._batch_sizes.observe(len(batch))
        groups = group_by_shard(batch)
        parts = []
        for shard, _, group in groups:
            parts += [b"*%d\r\n" % (_FIXED_ARGS + _ARGS_OF_A_COMMAND * len(group)), self._call_heads[shard]]
            parts += [command.encode_bulk() for command in group]
        return b"".join(parts), [group for _, _, group in groups]

    def _deliver(self, group: Group) -> None:
        for command in group:
            outcome = command.outcome
            if isinstance(outcome, LikeState | LikewiseError):
                command.callback(outcome)
            else:
                gevent.spawn(self._finish, command)

    def _finish(self, command: LikeCommand) -> None:
        """Let the blocking counter finish a command, in a greenlet."""
        try:
            self._counter.finish([command])
        except Exception as error:
            command.callback(error)
            return
        assert isinstance(command.outcome, LikeState)
        command.callback(command.outcome)
