"""A drill from beginning to end: try the target out, sign, send and watch, wait, compare, say."""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from service.auth.visitor_token import signing_secret
from service.loadtest.checks.expected import expected
from service.loadtest.checks.observed_state import Sources, observe, open_sources
from service.loadtest.checks.sampler import Watch
from service.loadtest.checks.verdict import Observed, Verdict, judge
from service.loadtest.generator import target
from service.loadtest.generator.http import Requests
from service.loadtest.generator.plan import DrillUsageError, Options, parse_url, post_names
from service.loadtest.generator.sender import Sender
from service.loadtest.generator.tokens import sign
from service.loadtest.generator.workload import crowd_of
from service.loadtest.report.console import Progressing, show_results, show_tally
from service.loadtest.report.cpu_cost import Meter, meter
from service.loadtest.report.environment import allow_sockets, describe
from service.loadtest.report.html import page
from service.loadtest.report.results import Results, Watched, results
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
    allow_sockets(options.most_connections)
    with ExitStack() as stack:
        sources = sources or stack.enter_context(open_sources(settings, where, address))
        sources.check(posts)
        crowd = crowd_of(options)
        requests = Requests(where, posts, crowd.post_of, _sign(secret, options, console), options.networks)
        sender = Sender(requests, crowd, options, address)
        found = _Run(options, console, posts, sources, sender).conduct(meter(settings, where))
    show_results(console, found)
    _write(options, found)
    return found


def _sign(secret: bytes, options: Options, console: Console) -> bytearray:
    with Progressing(console, options.likes, "signing") as progress:
        return sign(secret, options.likes, progress.show)


@dataclass(frozen=True, slots=True)
class _Run:
    """What is prepared and may be sent."""

    options: Options
    console: Console
    posts: Sequence[str]
    sources: Sources
    sender: Sender

    def conduct(self, costs: Meter) -> Results:
        """Send, wait and compare; looking on all the while."""
        machine, crowd, tally = describe(), self.sender.crowd, self.sender.tally
        with ExitStack() as stack:
            pressed = stack.enter_context(_ctrl_c(self.sender))
            watches = [stack.enter_context(watch) for watch in self._watches()]
            self._send()
            costs.sent()
            found = self._wait(pressed)
            promised = expected(tally, crowd.post_of, self.options.posts)
            for watch in watches:
                watch.wait_for(promised[crowd.watched or 0].acknowledged, _LAST_LOOKS_S)
        verdict = judge(self.options, self.posts, tally, promised, found, interrupted=pressed.is_set())
        return results(self.sender, self.options, verdict, _watched(watches, verdict), costs.read(), machine)

    def _watches(self) -> list[Watch]:
        if self.sender.crowd.watched is None:
            return []
        post = self.posts[self.sender.crowd.watched]
        return [
            Watch("reader", lambda: self.sources.reader(post)),
            Watch("stored", lambda: self.sources.stored(post), rest=_REST),
        ]

    def _send(self) -> None:
        options = self.options
        self.console.print(f"{options.likes:,} likes in {options.seconds:g} s to {options.url}", soft_wrap=True)
        with Progressing(self.console, options.likes, "likes") as progress:
            self.sender.run(show_tally(progress, self.sender.crowd.schedule))

    def _wait(self, pressed: threading.Event) -> Observed:
        self.console.print("waiting until nothing is pending")
        before = pressed.is_set()  # a Ctrl-C that ended the sending does not end the waiting
        return observe(self.posts, self.sources, self.options.drain_s, lambda: pressed.is_set() and not before)


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
