"""The state directory of `likewise up`: its lock, the secret, logs, and who was started from it."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from service.devstack.processes import StartError

MIN_FREE_BYTES = 512 * 2**20
_STALE_TIMEOUT_S = 20.0
_CLOCK_S = 2.0  # start times are computed from the boot time, which the kernel adjusts
_ELSEWHERE = "Choose another place with LIKEWISE_STATE_DIR."


class StateDir:
    """A directory that one `likewise up` at a time owns; enter it to own it."""

    def __init__(self, path: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"
        self._min_free_bytes = min_free_bytes
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self._take()
        except OSError as error:
            self.__exit__(None, None, None)
            raise unusable(self.path, error) from None
        except StartError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)  # this alone lets go of it; the file stays, so that nobody locks a deleted one
            self._lock = None

    def log(self, name: str) -> Path:
        """Where the child `name` writes."""
        return self.path / "logs" / f"{name}.log"

    def secret(self) -> str:
        """Return the secret of this installation, made once and kept for its owner's eyes only."""
        file = self.path / "secret"
        with suppress(FileNotFoundError):
            if len(kept := file.read_text().strip()) >= 32:
                return kept
        made = secrets.token_urlsafe(36)
        write_private(file, made)
        return made

    def remember(self, name: str, process: subprocess.Popen[bytes], stop_signal: signal.Signals, order: int) -> None:
        """Write down a child, so that a later start finds it should we be killed."""
        with suppress(psutil.Error):  # it has ended already
            born = psutil.Process(process.pid).create_time()
            note = {"pid": process.pid, "born": born, "signal": int(stop_signal), "order": order}
            (self.run / f"{name}.json").write_text(json.dumps(note))

    def forget(self, name: str) -> None:
        """The child `name` has ended."""
        (self.run / f"{name}.json").unlink(missing_ok=True)

    def stop_stale(self, say: Callable[[str], None]) -> None:
        """Stop what an earlier run left behind when it was killed: what was started last goes first."""
        notes = []
        for file in self.run.glob("*.json"):
            with suppress(ValueError, KeyError, TypeError):
                note = json.loads(file.read_text())
                notes.append((int(note["order"]), file, note))
        for _, file, note in sorted(notes, reverse=True, key=lambda found: found[0]):
            if left := _left_over(note["pid"], note["born"]):
                say(f"Stopping {file.stem} (process {note['pid']}), left over from a run that was killed.")
                _stop(left, note["signal"])
        for file in self.run.glob("*.json"):
            file.unlink(missing_ok=True)

    def _take(self) -> None:
        for directory in (self.path, self.run, self.path / "logs"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(self._held()) from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())
        free = shutil.disk_usage(self.path).free
        if free < self._min_free_bytes:
            need = self._min_free_bytes // 2**20
            raise StartError(f"{self.path} has {free // 2**20} MB free, and {need} MB are needed. {_ELSEWHERE}")

    def _held(self) -> str:
        pid = (self.path / "lock").read_text().strip()
        return f"`likewise up` runs here already, as process {pid}: stop it (kill {pid}) first. {_ELSEWHERE}"


def unusable(path: Path, error: OSError) -> StartError:
    """Say in one sentence why the state directory, or something in it, cannot be used."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StartError(f"The disk that holds {path} is full. {_ELSEWHERE}")
    why = "it is not a directory" if isinstance(error, FileExistsError) else error.strerror
    return StartError(f"The state directory {path} cannot be used: {why}. {_ELSEWHERE}")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(file)


def _left_over(pid: int, born: float) -> list[psutil.Process]:
    """Return what still runs of a child: itself, if this pid is still it, and its process group."""
    with suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(pid).create_time() - born) > _CLOCK_S:
            return []  # the number is another process's by now
    return [process for process in psutil.process_iter() if _in_group(process, pid)]


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def _stop(processes: list[psutil.Process], stop_signal: int) -> None:
    for how in (stop_signal, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
                process.resume()
        _, processes = psutil.wait_procs(processes, timeout=_STALE_TIMEOUT_S)
