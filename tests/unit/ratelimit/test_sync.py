"""Pods hear of each other's uses within two rounds; what a crowd of one use each costs; and nobody to hear."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.observability.metrics import RATE_LIMIT_SYNC_FAILURES
from service.ratelimit.limiter import LimitedError, Quota
from service.ratelimit.sync import BATCH, Sharing
from tests.support.ratelimit_pods import NOON, Board, Clock, overshoot, pods_at, round_of, taken
from tests.support.waiting import wait_for

PODS = 4


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def pods(board, clock):
    return pods_at(board.seats(PODS), clock)


def running():
    return sum(thread.name == "limits-sharing" for thread in threading.enumerate())


@given(
    limit=st.integers(1, 30),
    ticks=st.lists(st.lists(st.integers(0, 12), min_size=PODS, max_size=PODS), min_size=1, max_size=12),
)
def test_spreading_over_pods_gains_no_more_than_is_stated(limit, ticks):
    crowd = pods_at(Board().seats(PODS), Clock(), f"{limit}/minute")
    assert sum(taken(crowd, ticks)) <= limit + overshoot(ticks)


def test_after_two_rounds_every_pod_refuses(pods):
    assert list(taken(pods, [[4] * PODS] * 3)) == [16, 6, 0]  # the first pod hears before the others have told
    assert [pod.hits(3) for pod in pods] == [0] * PODS


def test_the_second_round_hears_of_all_without_another_use(pods):
    assert list(taken(pods, [[4] * PODS, [0] * PODS, [4] * PODS])) == [16, 0, 0]


def test_a_limit_spent_at_one_pod_is_known_at_the_others_within_two_uses_and_a_round(pods):
    assert pods[0].hits(20) == 10
    round_of(pods)
    assert [pod.hits(2) for pod in pods[1:]] == [2] * (PODS - 1)
    round_of(pods)
    assert [pod.hits(2) for pod in pods] == [0] * PODS


def test_after_an_overshoot_it_says_how_long_that_lasts(pods, clock):
    assert list(taken(pods, [[10] * PODS, [1] * PODS])) == [40, 0]
    with pytest.raises(LimitedError) as refused:
        pods[0].quota.check("a")
    assert refused.value.allowance.reset_s == 60 + 45 + 1  # 40 weigh less than 10 after three quarters of a window
    clock.now = NOON + 105
    assert pods[0].hits(1) == 0
    clock.now = NOON + 106
    assert pods[0].hits(1) == 1


def test_one_use_of_each_costs_nothing(pods, board):
    for at in range(1_000):
        pods[0].hits(1, f"actor-{at}")
    round_of(pods)
    assert board.exchanges == []


def test_a_limit_of_one_is_shared_from_the_first_use(board, clock):
    first, second = pods_at(board.seats(2), clock, "1/minute")
    assert [first.hits(1), second.hits(1)] == [1, 1]
    round_of([first, second])
    assert [first.hits(1), second.hits(1)] == [0, 0]
    round_of([first, second])
    clock.now = NOON + 89  # the own use of the window before would weigh half, two weigh one
    assert [first.hits(1), second.hits(1)] == [0, 0]


def test_the_last_uses_of_a_window_weigh_on_the_next_at_every_pod(pods, clock):
    pods[0].hits(6)
    pods[1].hits(2)
    clock.now = NOON + 59.9
    round_of(pods)
    pods[0].hits(2)
    clock.now = NOON + 60.1
    pods[1].hits(1)
    round_of(pods)
    assert pods[1].hits(9) == 0  # of 8 in the window before, as it had heard, there would be two left


def test_a_window_before_is_heard_of_at_the_first_use_of_the_next(pods, clock):
    for pod in pods[:2]:
        pod.hits(4)
    round_of(pods * 2)
    clock.now = NOON + 59
    pods[0].hits(2)
    clock.now = NOON + 60.1
    assert pods[1].hits(1) == 1
    round_of(pods * 2)
    assert pods[1].hits(1) == 0


def test_a_window_before_is_asked_for_until_it_is_settled(pods, clock, board):
    asked = []
    for second in (0.0, 0.4, 0.9, 1.1, 1.6, 30.0):
        clock.now = NOON + second
        pods[0].hits(2)
        before = len(board.exchanges)
        pods[0].round()
        asked += board.exchanges[before:]
    assert asked == [2, 2, 2, 2, 1, 1]


def test_while_nobody_hears_each_pod_goes_on_and_says_so_once(pods, board):
    board.failing = lambda name: True
    before = RATE_LIMIT_SYNC_FAILURES._value.get()
    with capture_logs() as logs:
        assert list(taken(pods[:2], [[9, 9], [9, 9]])) == [18, 2]
        assert RATE_LIMIT_SYNC_FAILURES._value.get() == before + 4
        board.failing = lambda name: False
        round_of(pods[:2])
        assert board.counts  # told late, without another use
    said = [(log["log_level"], log.get("reason")) for log in logs]
    assert said == [("warning", "the board is away")] * 2 + [("info", None)] * 2


def test_what_could_not_be_told_is_told_later_and_the_rest_is_not_held_up(pods, board):
    for who in ("a", "b"):
        pods[0].hits(10, who)
        pods[1].hits(2, who)
    board.failing = lambda name: name.endswith(":b")
    round_of(pods * 2)
    assert [pods[1].hits(1, who) for who in ("a", "b")] == [0, 1]
    board.failing = lambda name: False
    round_of(pods * 2)
    assert pods[1].hits(1, "b") == 0


def test_a_board_that_lost_everything_hears_it_again(pods, board):
    assert sum(taken(pods, [[3] * PODS, [0] * PODS])) == 12
    board.counts.clear()
    assert list(taken(pods, [[1] * PODS] * 3)) == [0, 0, 0]
    assert max(sum(told.values()) for told in board.counts.values()) == 12


def test_what_throws_is_a_failed_round_and_no_more(pods):
    class Broken:
        def tell(self, counts, ttl_s):
            raise KeyError("unexpected")

    [pod] = pods_at([Broken()], Clock())
    pod.hits(3)
    with capture_logs() as logs:
        pod.round()
    assert logs[0]["event"] == "limits not shared"
    assert pod.hits(10) == 7


def test_many_keys_leave_in_parts(pods, board):
    for at in range(BATCH + 1):
        pods[0].hits(2, f"actor-{at}")
    pods[0].round()
    assert board.exchanges == [2 * BATCH, 2]
    board.failing = lambda name: True
    for at in range(BATCH + 1):
        pods[0].hits(1, f"actor-{at}")
    for _ in range(3):
        pods[0].round()
    assert len(board.exchanges) == 5  # nobody there: one part of each round found that out
    board.failing = lambda name: name.endswith("-0")
    pods[0].round()
    assert len(board.exchanges) == 7  # somebody is: the rest is told too
    board.failing = lambda name: False
    pods[0].round()
    assert {told[next(iter(told))] for name, told in board.counts.items() if name.split(":")[1] == str(30_000_000)} == {
        3
    }


def test_a_thread_begins_with_the_first_use_and_ends_with_close(board):
    quotas = [Quota("one", "9/minute", "X"), Quota("two", "9/minute", "X")]
    sharing = Sharing(quotas, board.seats(1)[0], 0.01)
    assert running() == 0
    for _ in range(2):
        quotas[1].spend("a")
    wait_for(lambda: board.exchanges)
    assert running() == 1
    sharing.close()
    assert running() == 0
    quotas[0].spend("a")
    assert running() == 0


def test_close_does_not_wait_for_the_next_round(board):
    quota = Quota("one", "9/minute", "X")
    sharing = Sharing([quota], board.seats(1)[0], 3_600)
    quota.spend("a")
    assert running() == 1
    sharing.close()
    assert running() == 0
    Sharing([quota], board.seats(1)[0], 3_600).close()
    quota.spend("a")
    assert running() == 0


def test_it_shares_on_a_greenlet_where_gevent_has_patched():
    program = """
from gevent import monkey; monkey.patch_all()
import gevent
from service.ratelimit.limiter import Quota
from service.ratelimit.sync import Sharing
from tests.support.ratelimit_pods import Board, allowed
board, quotas = Board(), [Quota("one", "5/minute", "X") for _ in range(2)]
sharings = [Sharing([quota], seat, 0.01) for quota, seat in zip(quotas, board.seats(2))]
with gevent.Timeout(10):
    while any([allowed(quota) for quota in quotas]):
        gevent.sleep(0.005)
for sharing in sharings:
    sharing.close()
    assert sharing._thread.ident and not sharing._thread.is_alive()
print(len(board.exchanges) > 1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
