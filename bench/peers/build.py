"""Build the peers that need more than the bench's own Python, below build/bench. Each function returns a command."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError, MissingProgramError
from service.devstack.processes import HOST

_PEERS = Path(__file__).parent
_BUILT = _PEERS.parents[1] / "build" / "bench"
_STAMP = ".built-from"
_INSTALL = {"go": "https://go.dev/doc/install", "node": "apt-get install nodejs", "npm": "apt-get install npm"}
_BUILD_TIMEOUT_S = 600


def go_incr(port: int) -> list[str]:
    """Compile the Go service. Go itself finds out whether anything has changed."""
    binary = _BUILT / "go_incr"
    _run([_program("go"), "build", "-o", str(binary), "."], cwd=_PEERS / "go_incr")
    return [str(binary), f"{HOST}:{port}"]


def node_incr(port: int, *options: str) -> list[str]:
    """Install the packages of the Node service."""
    source, folder = _PEERS / "node_incr", _BUILT / "node_incr"
    node, npm = _program("node"), _program("npm")

    def install() -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        _run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=folder)

    _install_once(folder, source / "package-lock.json", install)
    # Node looks for packages beside the file.
    shutil.copy(source / "server.js", folder)
    return [node, str(folder / "server.js"), f"{HOST}:{port}", *options]


def granian_incr(port: int) -> list[str]:
    """Install Granian, uvloop and redis-py into a virtual environment of their own."""
    lock, folder = _PEERS / "granian_incr" / "requirements.lock", _BUILT / "granian_incr"
    python = folder / "bin" / "python"

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(folder)], cwd=_BUILT)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(lock)], cwd=_BUILT)

    _install_once(folder, lock, install)
    options = ["--interface", "asgi", "--loop", "uvloop", "--http", "1", "--no-ws", "--host", HOST, "--port", str(port)]
    return [str(python), "-m", "granian", *options, "bench.peers.granian_incr.app:app"]


def _program(name: str) -> str:
    if found := shutil.which(name):
        return found
    raise MissingProgramError(f"{name} is not installed ({_INSTALL[name]})")


def _install_once(folder: Path, lock: Path, install: Callable[[], None]) -> None:
    """Install into an empty folder, unless it was installed from this lock file and by this Python before."""
    stamp, wanted = folder / _STAMP, hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install()
    stamp.write_text(wanted)


def _run(argv: Sequence[str], cwd: Path) -> None:
    done = subprocess.run(  # noqa: S603 - ours
        argv,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{' '.join(argv)} failed with exit code {done.returncode}: {done.stdout[-1_000:].strip()}")
