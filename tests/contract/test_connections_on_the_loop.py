"""Connections on the event loop: pipelining, partial and slow clients, fairness, and errors in callbacks."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gevent
import pytest

from service.api.loop.api import LoopApi
from service.api.loop.likes import LoopLikes
from service.server.worker import Worker
from tests.support.app_factory import FakeApi, fake_api
from tests.support.loop_client import loop_worker, open_connection

COUNT = b"GET /v1/posts/a/count HTTP/1.1\r\nHost: x\r\n\r\n"
LIKE = b"PUT /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n\r\n"
# Flask answers it, after the loop has parsed it.
READ_LIKE = b"GET /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n\r\n"
# gunicorn parses it.
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT_S = 20


@pytest.fixture
def api() -> FakeApi:
    return fake_api()


@pytest.fixture
def worker(api: FakeApi) -> Iterator[Worker]:
    with loop_worker(api.app) as worker:
        yield worker


def statuses(line: Any, count: int) -> list[bytes]:
    """Read this many responses, and return their statuses."""
    line.settimeout(WAIT_S)
    received = b""
    while received.count(b"HTTP/1.1 ") < count or not received.endswith((b"}", b"ok\n")):
        part = line.recv(65_536)
        assert part, received
        received += part
    return [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]


def rest(line: Any) -> bytes:
    """Read until the server closes the connection."""
    line.settimeout(WAIT_S)
    received = b""
    while part := line.recv(65_536):
        received += part
    return received


def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds."""
    with gevent.Timeout(WAIT_S):
        while not condition():
            gevent.sleep(0.001)


@pytest.mark.parametrize("request_bytes", [COUNT, LIKE, READ_LIKE, LIVEZ])
def test_without_keep_alive_each_response_ends_its_connection(worker, request_bytes):
    worker.cfg.set("keepalive", 0)
    worker.keeps_alive = False
    with open_connection(worker) as line:
        line.sendall(request_bytes)
        assert b"\r\nConnection: close\r\n" in rest(line)


def test_pipelined_requests_are_answered_in_order_whoever_answers_them(worker):
    with open_connection(worker) as line:
        line.sendall(LIKE + COUNT + READ_LIKE + LIVEZ + LIKE + COUNT)
        assert statuses(line, 6) == [b"201", b"200", b"200", b"200", b"201", b"200"]


def test_requests_that_arrive_during_another_wait_for_their_turn(worker, api):
    with open_connection(worker) as line:
        line.sendall(LIKE)
        gevent.sleep(0)
        line.sendall(COUNT + LIKE)
        assert statuses(line, 3) == [b"201", b"200", b"201"]
    assert len(api.counter.likers["a"]) == 2


@pytest.mark.parametrize("request_bytes", [COUNT, LIKE, READ_LIKE, LIVEZ])
def test_a_client_that_has_closed_its_side_is_answered(worker, request_bytes):
    with open_connection(worker) as line:
        line.sendall(request_bytes)
        line.shutdown(socket.SHUT_WR)
        assert rest(line).startswith(b"HTTP/1.1 20")


@pytest.mark.parametrize("cut", [1, 20, len(LIKE) - 1])
def test_a_head_in_two_parts_is_put_together(worker, cut):
    with open_connection(worker) as line:
        line.sendall(LIKE[:cut])
        gevent.sleep(0.01)
        line.sendall(LIKE[cut:] + COUNT)
        assert statuses(line, 2) == [b"201", b"200"]


def test_a_client_that_is_gone_before_its_answer_harms_nobody(worker, api):
    open_connection(worker).close()
    gone = open_connection(worker)
    gone.sendall(LIKE)
    gone.close()
    with open_connection(worker) as line:
        line.sendall(LIKE)
        assert statuses(line, 1) == [b"201"]
    until(lambda: not worker._connections)
    assert worker.traffic.arrived == worker.traffic.answered == len(api.counter.likers["a"]) == 2


def test_a_slow_reader_gets_every_answer_and_holds_no_other(worker):
    slow = open_connection(worker)
    [connection] = worker._connections
    slow.setblocking(False)
    sent = 0
    try:
        while True:
            slow.sendall(COUNT)
            sent += 1
            if sent % 50 == 0:
                gevent.sleep(0)
    except BlockingIOError:
        pass
    assert sent > 100
    with open_connection(worker) as line:
        line.sendall(LIKE)
        assert statuses(line, 1) == [b"201"]
    assert len(connection._unread) < 40_000
    with slow:
        # The last request may have been cut off.
        assert set(statuses(slow, sent)) == {b"200"}


def test_a_client_that_pipelines_faster_than_it_is_answered_waits(worker):
    with open_connection(worker) as line:
        [connection] = worker._connections
        sender = gevent.spawn(line.sendall, COUNT * 1_500)
        received, waiting = b"", []
        while received.count(b"HTTP/1.1 200 ") < 1_500:
            received += line.recv(65_536)
            waiting.append(len(connection._unread))
        sender.get()
    assert max(waiting) <= 32 * 1024


@pytest.mark.parametrize("head", [b"GET /", b"POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"])
def test_an_endless_request_is_cut_off(worker, head):
    sent = 0
    with open_connection(worker) as line, suppress(OSError):
        line.sendall(head)
        while sent < 10 * 2**20:
            sent += line.send(b"a" * 65_536)
    # The kernel's buffers included.
    assert sent < 3 * 2**20


def test_a_client_that_never_reads_is_closed(worker):
    stuck = open_connection(worker)
    [connection] = worker._connections
    stuck.setblocking(False)
    with gevent.Timeout(WAIT_S), suppress(BlockingIOError):
        while not connection._socket.has_unsent:
            stuck.send(COUNT * 20)
            gevent.sleep(0)
    until(lambda: connection._socket.has_unsent)
    connection.close_if_stuck(time.monotonic() - 60)
    assert worker._connections == {connection}
    connection.close_if_stuck(time.monotonic() + 1)
    assert worker._connections == set()
    stuck.close()


def test_a_client_that_stops_in_a_request_for_gunicorn_is_closed(worker):
    worker.cfg.set("keepalive", 1)
    with open_connection(worker) as reads_nothing, open_connection(worker) as sends_half_a_body:
        sends_half_a_body.sendall(b"POST /v1/posts/a/like HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        with suppress(OSError), gevent.Timeout(WAIT_S):
            while True:
                reads_nothing.sendall(LIVEZ * 1_000)
        until(lambda: not worker._connections)


def test_an_idle_connection_is_closed_after_what_has_arrived_is_answered(worker):
    with open_connection(worker) as line, open_connection(worker) as idle:
        until(lambda: len(worker._connections) == 2)
        line.sendall(COUNT)
        for connection in list(worker._connections):
            connection.close_if_stuck(time.monotonic() + 1)
        assert statuses(line, 1) == [b"200"]
        assert rest(idle) == b""


def test_a_connection_begins_one_request_in_a_turn(worker, monkeypatch):
    begun = []
    begin = LoopApi.begin
    monkeypatch.setattr(LoopApi, "begin", lambda loop, exchange: begun.append(exchange.target) or begin(loop, exchange))
    other = COUNT.replace(b"/a/", b"/b/")
    with open_connection(worker) as hog, open_connection(worker) as line:
        hog.sendall(COUNT)
        assert statuses(hog, 1) == [b"200"]
        begun.clear()
        hog.sendall(COUNT * 10)
        line.sendall(other)
        assert statuses(line, 1) == [b"200"]
        assert begun.index("/v1/posts/b/count") <= 1
        assert statuses(hog, 10) == [b"200"] * 10


@pytest.mark.parametrize("place", [(LoopLikes, "begin"), (LoopLikes, "observe"), (LoopApi, "begin")])
def test_an_error_in_a_callback_ends_its_connection_alone(worker, api, monkeypatch, caplog, place):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    with open_connection(worker) as line, open_connection(worker) as other:
        other.sendall(COUNT)
        assert statuses(other, 1) == [b"200"]
        with monkeypatch.context() as patched:
            if place[1] == "observe":
                patched.setattr(worker.loop_api._metrics, "observe_like", fail)
            else:
                patched.setattr(*place, fail)
            line.sendall(LIKE)
            received = rest(line)
        assert received.startswith(b"HTTP/1.1 500 ")
        assert b"Connection: close" in received
        other.sendall(LIKE)
        assert statuses(other, 1) == [b"201"]


def test_lists_of_posts_in_every_order_do_not_fill_the_memory(worker):
    with open_connection(worker) as line:
        for rotation in range(150):
            order = [f"post={at % 100}" for at in range(rotation, rotation + 100)]
            order[0] = f"post=first-{rotation}"
            line.sendall(f"GET /v1/counts?{'&'.join(order)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert statuses(line, 1) == [b"200"]
    rendered = worker.loop_api._counts._rendered
    assert 0 < sum(len(answer.states) for answer in rendered.values()) <= 10_000
