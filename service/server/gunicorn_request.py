"""Let gunicorn parse and answer one request of a connection, in a greenlet."""

from typing import Any

from gunicorn import http
from gunicorn.http.errors import NoMoreData


def serve_request(worker: Any, listener_name: Any, client: Any, addr: Any, data: bytes) -> bytes | None:
    """Serve the request that starts with `data`, reading on from the client as needed.

    Return the bytes that were read beyond the request, or None if the connection must be closed. Raises OSError if the
    client is gone.
    """
    request = None
    parser = http.get_parser(worker.cfg, client, addr)
    parser.unreader.unread(data)
    try:
        with worker.timeout_ctx():
            request = next(parser)
        if request is None:
            return None
        request.proxy_protocol_info = request.proxy_protocol_info or {}
        worker.handle_request(listener_name, request, client, addr)
        return parser.unreader.take_buffered() if parser.finish_body() else None
    except (StopIteration, NoMoreData):
        return None
    except OSError:
        raise
    except BaseException as error:
        worker.handle_error(request, client, addr, error)
        return None
