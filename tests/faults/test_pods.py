"""API workers are killed under load. Every answered like is kept, and repeating a like changes nothing."""

import http.client
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import psutil

from service.auth.visitor_token import mint
from service.bootstrap.stores import Stores
from service.devstack.processes import HOST, free_ports
from tests.support.stack.concurrent_load import TrackedLikes, drain, rows
from tests.support.stack.faults import post_in
from tests.support.stack.processes import environment, running
from tests.support.stack.servers import SHARDS, Servers
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
_CONNECTION_ERRORS = (OSError, http.client.HTTPException)


class Clients:
    """Visitors who like posts. `answered` has the answered likes, `unanswered` those whose connection broke."""

    def __init__(self, port: int, secret: bytes) -> None:
        self._port = port
        self.secret = secret
        self.answered: set[tuple[str, str]] = set()
        self.unanswered: list[tuple[str, str]] = []
        self.stop = threading.Event()

    def like(self, post: str, token: str) -> int | None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("PUT", f"/v1/posts/{post}/like", headers={"Likewise-Visitor": token})
            response = connection.getresponse()
            response.read()
        except _CONNECTION_ERRORS:
            return None
        finally:
            connection.close()
        return response.status

    def run(self, thread: int) -> None:
        at = 0
        while not self.stop.is_set():
            at += 1
            post, token = POSTS[(at + thread) % SHARDS], mint(self.secret)
            if self.like(post, token) in (200, 201):
                self.answered.add((post, token.split(".")[1]))
            else:
                self.unanswered.append((post, token))


def gunicorn(port: int) -> tuple[str, ...]:
    """Return the arguments of Python that run a pod."""
    config = ("-c", "python:service.server.gunicorn_conf")
    return ("-m", "gunicorn", *config, "--bind", f"{HOST}:{port}", "service.server.wsgi:app")


def test_a_pod_with_too_many_open_files_refuses_likes_until_clients_leave(servers: Servers) -> None:
    (port,) = free_ports(1)
    clients = Clients(port, servers.settings.secret.get_secret_value().encode())
    env = environment(servers, WEB_CONCURRENCY="1")
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with running(env, *gunicorn(port)) as pod, ExitStack() as connections:
        wait_for(lambda: clients.like("", mint(clients.secret)) is not None, 30)
        [worker] = psutil.Process(pod.pid).children()
        worker.rlimit(psutil.RLIMIT_NOFILE, (100, 100))
        lines = [connections.enter_context(socket.create_connection((HOST, port), timeout=10)) for _ in range(100)]
        wait_for(lambda: worker.num_fds() == 100)
        # The pod has no connection for likes yet.
        lines[0].sendall(b"PUT /v1/posts/a/like HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lines[0].recv(1_000).startswith(b"HTTP/1.1 503 ")
        connections.close()
        wait_for(lambda: clients.like("a", mint(clients.secret)) == 201)


def test_answered_likes_survive_killed_workers(servers: Servers, stores: Stores, tracked: TrackedLikes) -> None:
    (port,) = free_ports(1)
    clients = Clients(port, servers.settings.secret.get_secret_value().encode())
    env = environment(servers, WEB_CONCURRENCY="2")
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with running(env, *gunicorn(port)) as pods, ThreadPoolExecutor(6) as pool:
        wait_for(lambda: clients.like(POSTS[0], mint(clients.secret)) == 201, 30)
        drain(stores)
        warm_up_actors = rows(stores)[POSTS[0]]
        runs = [pool.submit(clients.run, thread) for thread in range(6)]
        try:
            for _ in range(4):
                before = len(clients.answered)
                wait_for(lambda before=before: len(clients.answered) > before + 60)
                workers = psutil.Process(pods.pid).children()
                if workers:
                    with suppress(ProcessLookupError):
                        os.kill(workers[0].pid, signal.SIGKILL)
            before = len(clients.answered)
            wait_for(lambda: len(clients.answered) > before + 60)
        finally:
            clients.stop.set()
            for one in runs:
                one.result()
        drain(stores)
        found = {(post, actor) for post, actors in rows(stores).items() for actor in actors - warm_up_actors}
        assert clients.answered <= found
        maybe = {(post, token.split(".")[1]) for post, token in clients.unanswered}
        # No like is stored that was not requested.
        assert found - clients.answered <= maybe
        for post, token in clients.unanswered:
            wait_for(lambda post=post, token=token: clients.like(post, token) in (200, 201))
    for post, actor in clients.answered | maybe | {(POSTS[0], actor) for actor in warm_up_actors}:
        tracked.expected[post].add(actor)
    tracked.assert_consistent()
