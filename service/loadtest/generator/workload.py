"""Who likes what, when, and what follows it: all of a run that is known before it starts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.loadtest.generator.distribution import afterwards, hottest, posts_of
from service.loadtest.generator.plan import Options
from service.loadtest.generator.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Crowd:
    """Like `i` is due at `schedule.at(i)`, for post number `post_of[i]`, followed by `after[i]`."""

    schedule: Schedule
    post_of: Sequence[int]
    after: Sequence[int]
    watched: int | None  # the post with most likes; None where unlikes make looking at it prove nothing

    @property
    def likes(self) -> int:
        return len(self.post_of)


def crowd_of(options: Options) -> Crowd:
    """The crowd that was asked for: the same for the same options."""
    post_of = posts_of(options.likes, options.posts, options.zipf)
    return Crowd(
        schedule=Schedule(options.likes, options.seconds, options.profile),
        post_of=post_of,
        after=afterwards(options.likes, options.unlikes, options.repeats),
        watched=None if options.unlikes else hottest(post_of),
    )
