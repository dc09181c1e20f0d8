"""API pods are killed under load: every like that was answered is there, and repeating one changes nothing."""

import http.client
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from service.auth.visitor_token import mint
from service.bootstrap.stores import Stores
from service.devstack.processes import HOST, free_ports
from tests.support.concurrent_load import Crowd, drain, rows
from tests.support.faults import post_in
from tests.support.processes import environment, running
from tests.support.servers import SHARDS, Servers
from tests.support.waiting import wait_for

POSTS = [post_in(shard, SHARDS) for shard in range(SHARDS)]
_BROKEN = (OSError, http.client.HTTPException)


class Buttons:
    """Many visitors at one address; an answer notes the like, a lost connection leaves it open."""

    def __init__(self, port: int, secret: bytes) -> None:
        self._port = port
        self.secret = secret
        self.answered: set[tuple[str, str]] = set()
        self.open: list[tuple[str, str]] = []
        self.stop = threading.Event()

    def press(self, post: str, token: str) -> int | None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("PUT", f"/v1/posts/{post}/like", headers={"Likewise-Visitor": token})
            response = connection.getresponse()
            response.read()
        except _BROKEN:
            return None
        finally:
            connection.close()
        return response.status

    def press_all_the_time(self, who: int) -> None:
        at = 0
        while not self.stop.is_set():
            at += 1
            post, token = POSTS[(at + who) % SHARDS], mint(self.secret)
            if self.press(post, token) in (200, 201):
                self.answered.add((post, token.split(".")[1]))
            else:
                self.open.append((post, token))


def test_answered_likes_outlive_the_pods(servers: Servers, stores: Stores, crowd: Crowd) -> None:
    (port,) = free_ports(1)
    buttons = Buttons(port, servers.settings.secret.get_secret_value().encode())
    env = environment(servers, WEB_CONCURRENCY="2")
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    args = (
        "-m",
        "gunicorn",
        "-c",
        "python:service.server.gunicorn_conf",
        "--bind",
        f"{HOST}:{port}",
        "service.server.wsgi:app",
    )
    with running(env, *args) as pods, ThreadPoolExecutor(6) as pool:
        wait_for(lambda: buttons.press(POSTS[0], mint(buttons.secret)) == 201, 30)
        drain(stores)
        strangers = rows(stores)[POSTS[0]]
        pressing = [pool.submit(buttons.press_all_the_time, who) for who in range(6)]
        try:
            for _ in range(4):
                before = len(buttons.answered)
                wait_for(lambda before=before: len(buttons.answered) > before + 60)
                workers = psutil.Process(pods.pid).children()
                if workers:
                    with suppress(ProcessLookupError):
                        os.kill(workers[0].pid, signal.SIGKILL)
            before = len(buttons.answered)
            wait_for(lambda: len(buttons.answered) > before + 60)
        finally:
            buttons.stop.set()
            for one in pressing:
                one.result()
        drain(stores)
        found = {(post, actor) for post, actors in rows(stores).items() for actor in actors - strangers}
        assert buttons.answered <= found
        maybe = {(post, token.split(".")[1]) for post, token in buttons.open}
        assert found - buttons.answered <= maybe  # and nothing that nobody wished for
        for post, token in buttons.open:
            wait_for(lambda post=post, token=token: buttons.press(post, token) in (200, 201))
    for post, actor in buttons.answered | maybe | {(POSTS[0], actor) for actor in strangers}:
        crowd.expected[post].add(actor)
    crowd.assert_exact()
