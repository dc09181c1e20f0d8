"""Manage the state directory of `likewise up`: its lock, its secret, its logs, and notes about its children."""

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
# Start times are computed from the boot time, which the kernel adjusts.
_CLOCK_TOLERANCE_S = 2.0
_ADVICE = "Choose another directory with LIKEWISE_STATE_DIR."


class StateDir:
    """A directory that one `likewise up` at a time owns. Its context takes and releases the lock."""

    def __init__(self, path: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"
        self._min_free_bytes = min_free_bytes
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self._acquire()
        except OSError as error:
            self.__exit__(None, None, None)
            raise state_dir_error(self.path, error) from None
        except StartError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            # Closing releases the lock. The file stays, so that nobody locks a deleted one.
            os.close(self._lock)
            self._lock = None

    def log(self, name: str) -> Path:
        """Return the log of the child `name`."""
        return self.path / "logs" / f"{name}.log"

    def secret(self) -> str:
        """Return the secret of this installation. It is created once, and only its owner can read it."""
        file = self.path / "secret"
        with suppress(FileNotFoundError):
            if len(stored := file.read_text().strip()) >= 32:
                return stored
        created = secrets.token_urlsafe(36)
        write_private(file, created)
        return created

    def remember(self, name: str, process: subprocess.Popen[bytes], stop_signal: signal.Signals, order: int) -> None:
        """Write a note about a child, so that the next start finds it if this process is killed."""
        # A child that has ended already needs no note.
        with suppress(psutil.Error):
            born = psutil.Process(process.pid).create_time()
            note = {"pid": process.pid, "born": born, "signal": int(stop_signal), "order": order}
            (self.run / f"{name}.json").write_text(json.dumps(note))

    def forget(self, name: str) -> None:
        """Remove the note about the child `name`, which has ended."""
        (self.run / f"{name}.json").unlink(missing_ok=True)

    def stop_stale(self, say: Callable[[str], None]) -> None:
        """Stop the children that a killed run left behind, the last one first."""
        notes = []
        for file in self.run.glob("*.json"):
            with suppress(ValueError, KeyError, TypeError):
                note = json.loads(file.read_text())
                notes.append((int(note["order"]), file, note))
        for _, file, note in sorted(notes, reverse=True, key=lambda found: found[0]):
            if processes := _stale_processes(note["pid"], note["born"]):
                say(f"Stopping {file.stem} (process {note['pid']}), which a killed run left behind.")
                _stop(processes, note["signal"])
        for file in self.run.glob("*.json"):
            file.unlink(missing_ok=True)

    def _acquire(self) -> None:
        for directory in (self.path, self.run, self.path / "logs"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(self._conflict()) from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())
        free = shutil.disk_usage(self.path).free
        if free < self._min_free_bytes:
            need = self._min_free_bytes // 2**20
            raise StartError(f"{self.path} has {free // 2**20} MB free. At least {need} MB are needed. {_ADVICE}")

    def _conflict(self) -> str:
        pid = (self.path / "lock").read_text().strip()
        return f"`likewise up` already uses {self.path}, as process {pid}. Stop it first (kill {pid}). {_ADVICE}"


def state_dir_error(path: Path, error: OSError) -> StartError:
    """Return an error that says why the state directory, or something in it, cannot be used."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StartError(f"The disk that holds {path} is full. {_ADVICE}")
    why = "it is not a directory" if isinstance(error, FileExistsError) else error.strerror
    return StartError(f"The state directory {path} cannot be used: {why}. {_ADVICE}")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    temporary = file.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    temporary.replace(file)


def _stale_processes(pid: int, born: float) -> list[psutil.Process]:
    """Return the processes of a child's group that still run, none if its pid now belongs to another program."""
    with suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(pid).create_time() - born) > _CLOCK_TOLERANCE_S:
            return []
    return [process for process in psutil.process_iter() if _in_group(process, pid)]


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def _stop(processes: list[psutil.Process], stop_signal: int) -> None:
    for next_signal in (stop_signal, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(next_signal)
                process.resume()
        _, processes = psutil.wait_procs(processes, timeout=_STALE_TIMEOUT_S)
