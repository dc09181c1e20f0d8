"""A drill from beginning to end: try the target out, send, wait, compare, say."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from types import FrameType

from rich.console import Console

from service.app import open_stores
from service.drill import target
from service.drill.books import Books, Numbers, Pending, observe
from service.drill.plan import DrillUsageError, Options, parse_url, post_names
from service.drill.report import Watch, show_verdict
from service.drill.sender import Sender
from service.drill.verdict import Verdict, judge
from service.drill.wire import Requests
from service.security.visitor import mint, signing_secret
from service.settings import Settings


def run(
    options: Options,
    settings: Settings,
    console: Console,
    *,
    counts: Numbers | None = None,
    rows: Numbers | None = None,
    pending: Pending | None = None,
) -> Verdict:
    """Do the drill and say the verdict. Where not given, counts come from the API, rows and pending from the stores.

    Raises DrillUsageError (nothing was sent), ConfigurationError or RefusedError.
    """
    where = parse_url(options.url)
    secret = signing_secret(settings)
    _check_writable(options)
    address = target.resolve(where)
    *posts, probe = post_names(options.posts + 1)
    target.try_out(where, address, secret, probe)
    with ExitStack() as stack:
        if rows is None or pending is None:
            books = Books(stack.enter_context(open_stores(settings)))
            rows, pending = rows or books.rows, pending or books.pending
            rows(posts), pending(posts)  # what can't be reached is said before the load, not after it
        console.print(f"{options.likes:,} likes in {options.seconds:g} s to {options.url}", soft_wrap=True)
        sender = Sender(Requests(where, posts, (mint(secret) for _ in range(options.likes))), options, address)
        interrupted = _send(sender, options, console)
        console.print("waiting until nothing is pending")
        found = observe(
            posts,
            counts=counts or (lambda asked: target.counts(where, address, asked)),
            rows=rows,
            pending=pending,
            limit_s=options.drain_s,
        )
    verdict = judge(options, posts, sender.tally, found, took_s=sender.took_s, interrupted=interrupted)
    show_verdict(console, verdict)
    _write(options, verdict)
    return verdict


def _send(sender: Sender, options: Options, console: Console) -> bool:
    with Watch(console, options) as watch, _ctrl_c(sender) as interrupted:
        sender.run(watch.show)
    return interrupted.is_set()


@contextmanager
def _ctrl_c(sender: Sender) -> Iterator[threading.Event]:
    """The first Ctrl-C ends the sending, the next one everything."""
    pressed = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        pressed.set()
        sender.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may listen
        yield pressed
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _check_writable(options: Options) -> None:
    if options.json_file:
        try:
            options.json_file.open("a").close()
        except OSError as error:
            raise DrillUsageError(f"{options.json_file} can't be written: {error.strerror}") from error


def _write(options: Options, verdict: Verdict) -> None:
    if options.json_file:
        text = json.dumps({"ok": verdict.ok, **asdict(verdict)}, indent=2)
        options.json_file.write_text(text + "\n", encoding="utf-8")
