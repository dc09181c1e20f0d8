"""A drill from beginning to end: try the target out, sign, send and watch, wait, compare, say."""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from rich.console import Console

from service.drill import target
from service.drill.books import Sources, observe, open_sources
from service.drill.costs import Meter, meter
from service.drill.crowd import crowd_of
from service.drill.expected import expected
from service.drill.machine import allow_sockets, describe
from service.drill.page import page
from service.drill.plan import DrillUsageError, Options, parse_url, post_names
from service.drill.report import Progressing, show_results, show_tally
from service.drill.results import Results, Watched, results
from service.drill.sender import Sender
from service.drill.tokens import sign
from service.drill.verdict import Observed, Verdict, judge
from service.drill.watch import Watch
from service.drill.wire import Requests
from service.security.visitor import signing_secret
from service.settings import Settings

_LAST_LOOKS_S = 2.0  # a reader may be a second behind
_REST = 10  # a look at Postgres reads all posts of a shard: the longer it takes, the more seldom


def run(options: Options, settings: Settings, console: Console, sources: Sources | None = None) -> Results:
    """Do the drill, say the verdict and write the files. `sources`: who is asked, the service's own where not given.

    Raises DrillUsageError (nothing was sent), ConfigurationError or RefusedError.
    """
    where = parse_url(options.url)
    secret = signing_secret(settings)
    _check_writable(options)
    address = target.resolve(where)
    *posts, probe = post_names(options.posts + 1)
    target.try_out(where, address, secret, probe)
    machine = describe()
    with ExitStack() as stack:
        sources = sources or stack.enter_context(open_sources(settings, where, address))
        sources.check(posts)
        crowd = crowd_of(options)
        with Progressing(console, options.likes, "signing") as progress:
            requests = Requests(where, posts, crowd.post_of, sign(secret, options.likes, progress.show))
        console.print(f"{options.likes:,} likes in {options.seconds:g} s to {options.url}", soft_wrap=True)
        allow_sockets(options.most_connections)
        sender, costs = Sender(requests, crowd, options, address), meter(settings, where)
        watches = _watches(sources, posts, crowd.watched)
        verdict = _fire(sender, options, posts, sources, watches, costs, console)
    watched = _watched(watches, verdict)
    found = results(sender, options, verdict, watched, costs.read(), machine)
    show_results(console, found)
    _write(options, found)
    return found


def _watches(sources: Sources, posts: Sequence[str], watched: int | None) -> list[Watch]:
    if watched is None:
        return []
    post = posts[watched]
    return [
        Watch("reader", lambda: sources.reader(post)),
        Watch("stored", lambda: sources.stored(post), rest=_REST),
    ]


def _fire(
    sender: Sender,
    options: Options,
    posts: Sequence[str],
    sources: Sources,
    watches: Sequence[Watch],
    costs: Meter,
    console: Console,
) -> Verdict:
    """Send, wait and compare; looking on all the while."""
    crowd, tally = sender.crowd, sender.tally
    with ExitStack() as stack:
        pressed = stack.enter_context(_ctrl_c(sender))
        for watch in watches:
            stack.enter_context(watch)
        with Progressing(console, options.likes, "likes") as progress:
            sender.run(show_tally(progress, crowd.schedule))
        costs.sent()
        found = _wait(options, posts, sources, pressed, console)
        promised = expected(tally, crowd.post_of, options.posts)
        for watch in watches:
            watch.wait_for(promised[crowd.watched or 0].acknowledged, _LAST_LOOKS_S)
    return judge(options, posts, tally, promised, found, interrupted=pressed.is_set())


def _wait(
    options: Options, posts: Sequence[str], sources: Sources, pressed: threading.Event, console: Console
) -> Observed:
    console.print("waiting until nothing is pending")
    before = pressed.is_set()  # a Ctrl-C that ended the sending does not end the waiting
    return observe(posts, sources, options.drain_s, hurry=lambda: pressed.is_set() and not before)


def _watched(watches: Sequence[Watch], verdict: Verdict) -> Watched | None:
    """Likes of unknown outcome were counted where more is there than was acknowledged."""
    if not watches:
        return None
    reader, stored = (watch.looks for watch in watches)
    return Watched(reader, stored, doubtful=verdict.sums.counted > verdict.sums.acknowledged)


@contextmanager
def _ctrl_c(sender: Sender) -> Iterator[threading.Event]:
    """The first Ctrl-C ends the sending, or the waiting; the next one everything."""
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
    for file in (options.json_file, options.html_file):
        try:
            if file:
                file.open("a").close()
        except OSError as error:
            raise DrillUsageError(f"{file} can't be written: {error.strerror}") from error


def _write(options: Options, found: Results) -> None:
    if options.json_file:
        options.json_file.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")
    if options.html_file:
        options.html_file.write_text(page(found), encoding="utf-8")
