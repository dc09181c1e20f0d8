"""Run a load test: probe the target, sign tokens, send and sample, wait, compare, report."""

import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from service.auth.visitor_token import VisitorKeys
from service.cost.prices import Prices
from service.loadtest.checks.expected import expected_counts
from service.loadtest.checks.observed_state import Sources, observe, open_sources
from service.loadtest.checks.sampler import Sampler
from service.loadtest.checks.verdict import ObservedState, Verdict, judge
from service.loadtest.generator import target
from service.loadtest.generator.http import Requests
from service.loadtest.generator.plan import DrillUsageError, Options, parse_url, post_names
from service.loadtest.generator.recorder import Recorder
from service.loadtest.generator.sender import Sender
from service.loadtest.generator.tokens import sign
from service.loadtest.generator.workload import build_workload
from service.loadtest.report.console import ProgressBar, show_results, show_run
from service.loadtest.report.environment import describe_machine, raise_file_limit
from service.loadtest.report.html import render_page
from service.loadtest.report.notes import PostSamples
from service.loadtest.report.results import Results, build_results
from service.loadtest.usage.meter import RunMeter, start_meter
from service.settings import Settings

# A reader may be a second behind.
_LAST_SAMPLES_S = 2.0
# A like that has waited for its answer for so long shows that some part is at its limit.
_LONG_S = 0.25
# A sample of Postgres reads all posts of a shard, so a slow one is followed by a longer pause.
_REST = 10


def run(
    options: Options,
    settings: Settings,
    console: Console,
    sources: Sources | None = None,
    prices: Prices | None = None,
) -> Results:
    """Run the load test, print its verdict, and write its files.

    `sources` read the counts; by default they ask the service of the settings. With `prices` the report has prices.
    Raises DrillUsageError if nothing was sent, ConfigurationError or RefusedError.
    """
    where = parse_url(options.url)
    keys = VisitorKeys(settings)
    _check_writable(options)
    address = target.resolve(where)
    *posts, probe_post = post_names(options.posts + 1)
    target.probe(where, address, keys, probe_post)
    raise_file_limit(options.max_connections)
    with ExitStack() as stack:
        sources = sources or stack.enter_context(open_sources(settings, where, address))
        sources.check(posts)
        workload = build_workload(options)
        requests = Requests(where, posts, workload.post_of, _sign(keys, options, console), options.networks)
        sender = Sender(requests, workload, options, address)
        results = _LoadTest(options, console, posts, sources, sender, prices).run(start_meter(settings, where))
    show_results(console, results)
    _write(options, results)
    return results


def _sign(keys: VisitorKeys, options: Options, console: Console) -> bytearray:
    with ProgressBar(console, options.likes, "signing") as bar:
        return sign(keys, options.likes, bar.show)


@dataclass(frozen=True, slots=True)
class _LoadTest:
    """A load test that is prepared and may be sent."""

    options: Options
    console: Console
    posts: Sequence[str]
    sources: Sources
    sender: Sender
    prices: Prices | None

    def run(self, meter: RunMeter) -> Results:
        """Send, wait and compare. Meanwhile, sample one post."""
        machine, workload, recorder = describe_machine(), self.sender.workload, self.sender.recorder
        with ExitStack() as stack:
            interrupted = stack.enter_context(_stop_on_ctrl_c(self.sender))
            samplers = [stack.enter_context(sampler) for sampler in self._samplers()]
            self._send(meter)
            meter.stop_sending(is_behind=self._is_behind())
            observed = self._wait(interrupted)
            expected = expected_counts(recorder, workload.post_of, self.options.posts)
            for sampler in samplers:
                sampler.wait_for(expected[workload.sampled_post or 0].acknowledged, _LAST_SAMPLES_S)
        verdict = judge(self.options, self.posts, recorder, expected, observed, interrupted=interrupted.is_set())
        samples = _post_samples(samplers, verdict)
        return build_results(self.sender, self.options, verdict, samples, meter.read(), machine, self.prices)

    def _samplers(self) -> list[Sampler]:
        if self.sender.workload.sampled_post is None:
            return []
        post = self.posts[self.sender.workload.sampled_post]
        return [
            Sampler("reader", lambda: self.sources.reader(post)),
            Sampler("stored", lambda: self.sources.stored(post), rest=_REST),
        ]

    def _send(self, meter: RunMeter) -> None:
        options = self.options
        self.console.print(f"Sending {options.likes:,} likes in {options.seconds:g} s to {options.url}", soft_wrap=True)
        with ProgressBar(self.console, options.likes, "likes") as bar:
            show = show_run(bar, self.sender.workload.schedule)

            def on_tick(recorder: Recorder) -> None:
                show(recorder)
                meter.sample(is_behind=self._is_behind())

            self.sender.run(on_tick)

    def _is_behind(self) -> bool:
        """Return whether likes have waited for their answer for long."""
        recorder, elapsed = self.sender.recorder, time.monotonic() - self.sender.started_at
        return len(recorder.acknowledged) + recorder.failed < self.sender.workload.schedule.due(elapsed - _LONG_S)

    def _wait(self, interrupted: threading.Event) -> ObservedState:
        self.console.print("Waiting until no like is pending")
        # A Ctrl-C that ended the sending does not end the waiting. The next one does.
        before = interrupted.is_set()
        return observe(self.posts, self.sources, self.options.drain_s, lambda: interrupted.is_set() and not before)


def _post_samples(samplers: Sequence[Sampler], verdict: Verdict) -> PostSamples | None:
    if not samplers:
        return None
    reader, stored = (sampler.samples for sampler in samplers)
    # Likes of unknown outcome were counted if more likes were counted than acknowledged.
    return PostSamples(reader, stored, unknown_may_count=verdict.sums.counted > verdict.sums.acknowledged)


@contextmanager
def _stop_on_ctrl_c(sender: Sender) -> Iterator[threading.Event]:
    """End the sending, or the waiting, on the first Ctrl-C, and everything on the second."""
    interrupted = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        sender.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # Python lets only the main thread handle signals.
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _check_writable(options: Options) -> None:
    for option, file in (("--json", options.json_file), ("--html", options.html_file)):
        try:
            if file:
                file.open("a").close()
        except OSError as error:
            raise DrillUsageError(f"{option}: {file} cannot be written: {error.strerror}") from error


def _write(options: Options, results: Results) -> None:
    if options.json_file:
        options.json_file.write_text(json.dumps(results.as_json(), indent=2) + "\n", encoding="utf-8")
    if options.html_file:
        options.html_file.write_text(render_page(results), encoding="utf-8")
