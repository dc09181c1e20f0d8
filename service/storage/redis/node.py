"""One Redis server and the socket to it. Errors of the Redis library do not leave this module."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import redis
from redis.connection import ConnectionInterface, ConnectionPool

from service.errors import CounterUnavailableError
from service.storage.connection_errors import count_redis_error

RedisCommand = tuple[Any, ...]
Address = tuple[str, int]
# Also an error that the server answers while a connection is set up.
_CONNECTION_ERRORS = (redis.RedisError, OSError)


class Node:
    """One Redis server and the socket to it. The commands of a batch are sent in one write."""

    def __init__(self, address: Address, pool: ConnectionPool) -> None:
        self.address = address
        self._lock = Lock()
        self._pool = pool
        self._connection = pool.make_connection()

    @property
    def name(self) -> str:
        """The address, as `host:port`."""
        return f"{self.address[0]}:{self.address[1]}"

    def call(self, commands: Sequence[RedisCommand]) -> list[Any]:
        """Send the commands and return the replies, in order.

        An error reply is returned as an exception in the list. Raises CounterUnavailableError.
        """
        with self._lock:
            try:
                return self._round_trip(commands)
            except _CONNECTION_ERRORS as error:
                count_redis_error(error)
                self._connection.disconnect()
                raise CounterUnavailableError(f"Redis {self.name}: {error}") from error
            except BaseException:
                # The unread replies of a batch would go to the next caller.
                self._connection.disconnect()
                raise

    def _round_trip(self, commands: Sequence[RedisCommand]) -> list[Any]:
        self._connection.connect()
        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        return [self._reply() for _ in commands]

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            count_redis_error(error)
            return error

    def connect(self) -> ConnectionInterface:
        """Return another connection to the server, of the caller's own. Raises CounterUnavailableError."""
        connection = self._pool.make_connection()
        try:
            connection.connect()
        except _CONNECTION_ERRORS as error:
            count_redis_error(error)
            raise CounterUnavailableError(f"Redis {self.name}: {error}") from error
        return connection

    def close_if_idle(self) -> None:
        """Close the socket unless a call is in progress; a failing call closes it itself."""
        if self._lock.acquire(blocking=False):
            try:
                self._connection.disconnect()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the socket, after the call in progress."""
        with self._lock:
            self._connection.disconnect()
