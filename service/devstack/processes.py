"""Start child processes that end with their parent, find free ports, and wait for conditions."""

import ctypes
import errno
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.errors import LikewiseError

HOST = "127.0.0.1"
# A Valkey Cluster node also listens on its port + 10,000, its bus port.
BUS_OFFSET = 10_000
# These ports and their bus ports lie below the ephemeral range of every common system.
_CANDIDATES = range(10_240, 22_000)
# A longer log is renamed at the next start.
_MAX_LOG_BYTES = 10 * 2**20
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(LikewiseError):
    """A part of the local stack could not be started. The message says which part and why."""


@dataclass(frozen=True)
class Account:
    """User and group ids that a server runs as when this process is root."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return the account `nobody` if this process is root, else None for the current user."""
    if os.geteuid():
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def make_reachable(path: Path) -> None:
    """Let every user traverse, but not list, the directories above `path`, so that `nobody` can reach it."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode & 0o7777 | 0o001)


def spawn(
    argv: Iterable[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when this process dies.

    The child has its own session, so that Ctrl-C reaches only this process.
    """
    owner: dict[str, object] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
    with log.open("ab") as output:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603 - our own argv
            [str(part) for part in argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(death_signal),
            **owner,
        )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return what the child runs before exec. Linux only: elsewhere the next start finds children by their notes."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        # The parent may have died before the line above.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def terminate(
    processes: Iterable[subprocess.Popen[bytes]],
    *,
    timeout_s: float,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> None:
    """Ask all processes to stop at once, and kill those that still run after `timeout_s`."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(stop_signal)
        # A suspended process could not handle the signal.
        process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + timeout_s
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child of `spawn` and its own children: workers of a killed NGINX would keep its port."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str, every_s: float = 0.05) -> None:
    """Return once `condition` holds. Raise StartError that names `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise StartError(f"Waited {timeout_s:g} s for {what}.")
        time.sleep(every_s)


def port_is_free(port: int, host: str = HOST) -> bool:
    """Return whether a server could listen on this port of `host` now."""
    is_ipv6 = ":" in host
    with socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_ports(count: int) -> list[int]:
    """Return `count` random ports that are free now, together with their bus ports."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            break
        if port_is_free(port) and port_is_free(port + BUS_OFFSET):
            found.append(port)
    return found


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, or an empty string if it cannot be read."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
