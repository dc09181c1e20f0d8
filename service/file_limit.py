"""The number of files and sockets that a process may have open."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
# macOS refuses more.
_SMALL = 10_240


def raise_file_limit() -> None:
    """Raise the limit of this process and its children, up to 65,536. The usual one is 1,024, or 256 on macOS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (_ENOUGH, _SMALL):
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if limit <= soft or soft == resource.RLIM_INFINITY:
            return
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return
