"""Write down what limits the figures of a run. Pure."""

from dataclasses import dataclass

from service.loadtest.checks.freshness import Samples
from service.loadtest.generator.plan import Options
from service.loadtest.usage.cpu import LOAD_TEST
from service.loadtest.usage.meter import Usage


@dataclass(frozen=True, slots=True)
class PostSamples:
    """Samples of one post while likes were sent. `unknown_may_count`: likes of unknown outcome may be in them."""

    reader: Samples
    stored: Samples
    unknown_may_count: bool


def write_notes(options: Options, samples: PostSamples | None, usage: Usage) -> list[str]:
    """Return one sentence for each thing that was not measured, or that distorts the figures."""
    notes = []
    if samples is None:
        why = "with --unlikes a count also falls, so it proves nothing" if options.unlikes else "nothing was sampled"
        notes.append(f"the times until likes are seen and durable were not measured: {why}")
    else:
        for name, source in (("a reader", samples.reader), ("Postgres", samples.stored)):
            if source.failed:
                notes.append(f"{source.failed:,} samples of {name} failed, the first: {source.problem}")
    if usage.cpu_s.get("api", 0) and usage.cpu_s[LOAD_TEST] > usage.cpu_s["api"] / 2:
        notes.append("the load test used more than half as much CPU as the API, so it slowed the API down")
    if usage.cpu_missing:
        notes.append(f"only the CPU time of the load test was measured: {usage.cpu_missing}")
    return notes
