"""Read what only the machine of the local stack can tell: bytes that processes write, logs and metrics."""

from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from service.loadtest.usage.counters import Counters, UnknownUsageError

if TYPE_CHECKING:
    import psutil

_HOST = "127.0.0.1"
_TIMEOUT_S = 5.0
_WITH_METRICS = ("api", "flusher")


def family(process: "psutil.Process") -> "list[psutil.Process]":
    """Return the process and its descendants. Raises psutil.Error."""
    return [process, *process.children(recursive=True)]


def read_writes(processes: "dict[str, psutil.Process]") -> Counters:
    """Return the bytes that NGINX writes to sockets, and that Redis writes to disk. Raises UnknownUsageError."""
    import psutil

    counters: dict[str, dict[str, float]] = {}
    try:
        for name, process in processes.items():
            if name == "nginx":
                # It also counts clients' responses, which the load test knows. Logs only hold errors.
                written = sum(one.io_counters().write_chars for one in family(process))
                counters[f"{name} {process.pid}"] = {"nginx_written_bytes": written}
            elif name.startswith("valkey"):
                # The count of written characters would include sockets.
                written = sum(one.io_counters().write_bytes for one in family(process))
                counters[f"{name} {process.pid}"] = {"redis_disk_bytes": written}
    except (psutil.Error, AttributeError) as error:
        raise UnknownUsageError(f"this system does not tell what a process writes ({error})") from error
    return counters


def read_logs(state_dir: Path) -> Counters:
    """Return size and lines of each log of API, flusher and NGINX. Raises UnknownUsageError."""
    try:
        texts = {file.name: file.read_bytes() for file in sorted((state_dir / "logs").glob("*.log"))}
    except OSError as error:
        raise UnknownUsageError(f"{error.filename} cannot be read: {error.strerror}") from error
    return {name: {"log_bytes": len(text), "log_lines": text.count(b"\n")} for name, text in texts.items()}


def count_metrics(processes: "dict[str, psutil.Process]") -> dict[str, float]:
    """Return the number of series, and the bytes of one scrape, of API and flusher. Raises UnknownUsageError."""
    texts = [text for name in _WITH_METRICS if name in processes for text in _scrape(processes[name])]
    if len(texts) < len(_WITH_METRICS):
        raise UnknownUsageError("API or flusher serve no metrics")
    lines = [line for text in texts for line in text.splitlines()]
    series = sum(not line.startswith(b"#") for line in lines)
    return {"metric_series": series, "metric_scrape_bytes": sum(map(len, texts))}


def _scrape(process: "psutil.Process") -> Iterator[bytes]:
    """Yield the response of each port of the process that serves /metrics."""
    import psutil

    with suppress(psutil.Error):
        sockets = [socket for one in family(process) for socket in one.net_connections("tcp")]
        for port in {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}:
            with (
                suppress(OSError, HTTPException),
                closing(HTTPConnection(_HOST, port, timeout=_TIMEOUT_S)) as connection,
            ):
                connection.request("GET", "/metrics")
                response = connection.getresponse()
                if response.status == 200 and (text := response.read()).startswith(b"# HELP"):
                    yield text
