"""Read counters of servers before and after a run, and add up the differences."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.errors import LikewiseError

# By server, and then by the name of the counter.
Counters = Mapping[str, Mapping[str, float]]


class UnknownUsageError(LikewiseError):
    """The usage of a part cannot be read. The message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A part whose counters only grow. `read` raises LikewiseError."""

    name: str
    read: Callable[[], Counters]


class UsageMeter:
    """The counters of several sources since the creation of the meter."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._before = [(source, _read(source)) for source in sources]

    def read(self) -> tuple[dict[str, float], list[str]]:
        """Return the sum over all servers by counter, and one sentence for each source that was not measured."""
        totals: Counter[str] = Counter()
        missing = []
        for source, before in self._before:
            after = before if isinstance(before, LikewiseError) else _read(source)
            try:
                totals.update(_difference(before, after))
            except LikewiseError as reason:
                missing.append(f"{source.name}: {reason}")
        return dict(totals), missing


def _read(source: Source) -> Counters | LikewiseError:
    try:
        return source.read()
    except LikewiseError as reason:
        return reason


def _difference(before: Counters | LikewiseError, after: Counters | LikewiseError) -> dict[str, float]:
    if isinstance(before, LikewiseError):
        raise before
    if isinstance(after, LikewiseError):
        raise after
    if before.keys() != after.keys():
        raise UnknownUsageError("a server was started or stopped during the run")
    changes: Counter[str] = Counter()
    for server, values in before.items():
        changes.update({name: after[server][name] - value for name, value in values.items()})
    return dict(changes)
