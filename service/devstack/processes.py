"""Child processes that die with their parent, free ports, and waiting for a condition instead of sleeping."""

import ctypes
import errno
import os
import pwd
import random
import resource
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
_BUS = 10_000  # a cluster node also listens on its port + 10,000
_FREE = range(10_240, 22_000)  # these and their bus ports lie below every system's ephemeral range
_LOG_BYTES = 10 * 2**20  # a longer log is set aside at the next start
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(LikewiseError):
    """A part of the local stack could not be started."""


@dataclass(frozen=True)
class Account:
    """The user a server runs as where we are root and it must not be."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return the account `nobody` when we are root, else None: stay who we are."""
    if os.geteuid():
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def make_reachable(path: Path) -> None:
    """Let others pass through (not list) the directories above `path`: `nobody` has to reach what is below."""
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
    """Start a child in a session of its own (Ctrl-C reaches us alone) that gets `death_signal` when we die."""
    who: dict[str, object] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    if log.exists() and log.stat().st_size > _LOG_BYTES:
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
            **who,
        )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Linux only; elsewhere the next start finds the children by their pid files."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def terminate(
    processes: Iterable[subprocess.Popen[bytes]],
    *,
    timeout_s: float,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> None:
    """Ask all of them to stop at once; whoever has not by `timeout_s` is killed."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(stop_signal)
        process.send_signal(signal.SIGCONT)  # a stopped process could not obey
    deadline = time.monotonic() + timeout_s
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child of `spawn` and what it started: a killed NGINX would leave workers on its port."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str, every_s: float = 0.02) -> None:
    """Return once `condition` holds; StartError("... `what`") when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise StartError(f"Waited {timeout_s:g} s for {what}.")
        time.sleep(every_s)


def raise_file_limit() -> None:
    """Let servers open as many sockets as the system allows: the usual soft limit is 1,024, or 256 on macOS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (65_536, 10_240):
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if limit <= soft or soft == resource.RLIM_INFINITY:
            return
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, each with its bus port."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_FREE, len(_FREE)):
        if len(found) == count:
            break
        if port_is_free(port) and port_is_free(port + _BUS):
            found.append(port)
    return found


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, for a message that says why."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
