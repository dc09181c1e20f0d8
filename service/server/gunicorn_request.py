"""Let gunicorn parse and answer one request of a connection, in a greenlet."""

from typing import Any

from gunicorn import http
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.http.unreader import SocketUnreader

# gunicorn has no limit here, and parses a head again after each read: 10 MB would stop the worker for 20 seconds. NGINX
# passes on heads of up to 128 KB.
_MAX_HEAD_BYTES = 128 * 1024
# Of a body that the application did not read. Beyond it the connection is closed.
_MAX_UNREAD_BYTES = 1024 * 1024


class _Unreader(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Reads from a client. While `left` is a number, it is what a head may still have."""

    left: int | None = _MAX_HEAD_BYTES

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return what has arrived. Raises LimitRequestHeaders."""
        data: bytes = super().chunk(size_hint)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise LimitRequestHeaders(f"the head has more than {_MAX_HEAD_BYTES} bytes")
        return data


def serve_request(worker: Any, listener_name: Any, client: Any, addr: Any, data: bytes) -> bytes | None:
    """Serve the request that starts with `data`, reading on from the client as needed.

    Return the bytes that were read beyond the request, or None if the connection must be closed. Raises OSError if the
    client is gone.
    """
    request = None
    parser = http.get_parser(worker.cfg, client, addr)
    parser.unreader = _Unreader(client)
    parser.unreader.unread(data)
    try:
        with worker.timeout_ctx():
            request = next(parser)
        if request is None:
            return None
        parser.unreader.left = None
        request.proxy_protocol_info = request.proxy_protocol_info or {}
        worker.handle_request(listener_name, request, client, addr)
        return parser.unreader.take_buffered() if parser.finish_body(max_bytes=_MAX_UNREAD_BYTES) else None
    except (StopIteration, NoMoreData):
        return None
    except OSError:
        raise
    except BaseException as error:
        worker.handle_error(request, client, addr, error)
        return None
