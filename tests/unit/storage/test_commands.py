"""Like requests as arguments of a Redis function call, and the function's reply as the outcome of each."""

from typing import Any

import pytest

from service.core.likes import LikeRequest, LikeState
from service.errors import CounterUnavailableError, QueueFullError
from service.storage.redis.commands import (
    APPROXIMATE,
    CHANGED,
    DEGRADED,
    FULL,
    LIKED,
    MISS,
    CacheMiss,
    LikeCommand,
    decode_reply,
    group_by_shard,
)

EPOCH, ACKS, AS_OF, VERSION = b"server-1", b"7", b"1700000000000001", b"42"


def command(
    post: str = "post", actor: str = "anna", liked: bool | None = True, shard: int = 3, trace: str = ""
) -> LikeCommand:
    """Return a command as the counter makes it."""
    return LikeCommand(shard, LikeRequest(post, actor, liked, trace), replicated=False, deadline=9.0)


def decoded(*statuses: int, count: int = 5) -> list[Any]:
    """Return the outcomes of commands that the function answered with these status bits."""
    commands = [command(post=f"post-{at}") for at in range(len(statuses))]
    decode_reply(commands, [EPOCH, ACKS, AS_OF, VERSION, *(part for status in statuses for part in (status, count))])
    return [one.outcome for one in commands]


@pytest.mark.parametrize(("liked", "sign"), [(True, "+"), (False, "-"), (None, "?")])
def test_the_arguments_are_operator_post_actor_and_snapshot(liked: bool | None, sign: str) -> None:
    one = command(liked=liked)
    assert one.encode() == (sign, "post", "anna", "")
    one.snapshot = ("base", b"server-1", b"7", 10, 2)
    assert one.encode() == (sign, "post", "anna", "base", b"server-1", b"7", 10, 2)
    one.snapshot = DEGRADED
    assert one.encode() == (sign, "post", "anna", "degraded")


def test_a_trace_follows_the_operator() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert command(trace=trace).encode() == (f"+{trace}", "post", "anna", "")


def test_a_group_has_one_shard_and_keeps_the_order() -> None:
    commands = [
        command(actor=actor, shard=shard) for actor, shard in (("a", 1), ("b", 2), ("c", 1), ("d", 2), ("e", 1))
    ]
    assert group_by_shard(commands) == [
        (1, False, [commands[0], commands[2], commands[4]]),
        (2, False, [commands[1], commands[3]]),
    ]
    assert group_by_shard([]) == []


def test_reads_are_a_separate_group() -> None:
    like, read, unlike = command(), command(liked=None), command(liked=False)
    assert group_by_shard([like, read, unlike]) == [(3, False, [like, unlike]), (3, True, [read])]


@pytest.mark.parametrize(
    ("size", "parts"), [(999, [999]), (1_000, [1_000]), (1_001, [1_000, 1]), (2_500, [1_000, 1_000, 500])]
)
def test_a_large_group_is_split(size: int, parts: list[int]) -> None:
    commands = [command(actor=str(at)) for at in range(size)]
    groups = group_by_shard(commands)
    assert [(shard, is_read, len(part)) for shard, is_read, part in groups] == [(3, False, size) for size in parts]
    assert [one for _, _, part in groups for one in part] == commands


@pytest.mark.parametrize(
    ("status", "liked", "changed", "approximate"),
    [
        (0, False, False, False),
        (LIKED, True, False, False),
        (CHANGED, False, True, False),
        (LIKED | CHANGED, True, True, False),
        (APPROXIMATE, False, False, True),
        (LIKED | CHANGED | APPROXIMATE, True, True, True),
    ],
)
def test_a_status_is_decoded_as_a_state(status: int, liked: bool, changed: bool, approximate: bool) -> None:
    [outcome] = decoded(status)
    assert outcome == LikeState(
        post="post-0", liked=liked, changed=changed, count=5, as_of_us=1700000000000001, approximate=approximate
    )


@pytest.mark.parametrize(("stored", "shown"), [(-3, 0), (-1, 0), (0, 0), (1, 1)])
def test_a_count_is_never_negative(stored: int, shown: int) -> None:
    [outcome] = decoded(LIKED, count=stored)
    assert outcome.count == shown


def test_a_miss_has_the_epoch_to_load_for() -> None:
    assert decoded(MISS | LIKED) == [CacheMiss(EPOCH, ACKS)]


def test_a_full_queue_is_an_error() -> None:
    [outcome] = decoded(FULL | LIKED)
    assert isinstance(outcome, QueueFullError)


def test_each_command_gets_its_part_of_the_reply_with_epoch_and_version() -> None:
    commands = [command("p", "a"), command("q", "b"), command("r", "c")]
    decode_reply(commands, [EPOCH, ACKS, AS_OF, VERSION, LIKED, 1, MISS, 0, 0, 7])
    assert [(one.epoch, one.version) for one in commands] == [(EPOCH, 42)] * 3
    states = [commands[0].outcome, commands[2].outcome]
    assert [(one.post, one.liked, one.count) for one in states if isinstance(one, LikeState)] == [
        ("p", True, 1),
        ("r", False, 7),
    ]
    assert [one.done for one in commands] == [True, False, True]


def test_an_error_is_the_outcome_of_each_command() -> None:
    commands, error = [command(), command()], CounterUnavailableError("away")
    decode_reply(commands, error)
    assert [one.outcome for one in commands] == [error, error]
    assert [(one.done, one.epoch, one.version) for one in commands] == [(False, b"", 0)] * 2
