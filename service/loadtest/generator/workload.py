"""Build the workload of a run: when each like is due, its post, and what follows it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.loadtest.generator.distribution import draw_follow_ups, draw_posts, most_liked
from service.loadtest.generator.plan import Options
from service.loadtest.generator.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Workload:
    """Like `i` is due at `schedule.at(i)`, for post number `post_of[i]`, and followed by `follow_ups[i]`.

    `sampled_post` is the post with the most likes. It is None with unlikes, because a count that also falls proves
    nothing about a single like.
    """

    schedule: Schedule
    post_of: Sequence[int]
    follow_ups: Sequence[int]
    sampled_post: int | None


def build_workload(options: Options) -> Workload:
    """Return the workload that the options describe. It is the same for the same options."""
    post_of = draw_posts(options.likes, options.posts, options.zipf)
    return Workload(
        schedule=Schedule(options.likes, options.seconds, options.profile),
        post_of=post_of,
        follow_ups=draw_follow_ups(options.likes, options.unlikes, options.repeats),
        sampled_post=None if options.unlikes else most_liked(post_of),
    )
