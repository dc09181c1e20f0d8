"""What of an observation can be believed: fresh, finite figures of enough pods. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Load:
    """Sums over the pods that spoke: `pods` of them, rates in requests/s, `busy` in pods, `queue` in requests.

    `warm_pods`, `warm_accepted` and `warm_busy` are of those that are warm.
    """

    pods: int = 0
    arrivals: float = 0.0
    accepted: float = 0.0
    busy: float = 0.0
    queue: float = 0.0
    warm_pods: int = 0
    warm_accepted: float = 0.0
    warm_busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Sight:
    """The load that can be believed. `blind` says why there is none, `partial` why it is not all; or both are empty.

    `times` so much as was heard is taken for what all pods have to do.
    """

    load: Load
    times: float = 1.0
    blind: str = ""
    partial: str = ""


def look(observation: Observation, now: float, tuning: Tuning) -> Sight:
    """Silent pods are taken to have as much to do as the others, so what they do is not missed."""
    believed = [sample for sample in observation.pods if _sound(sample) and _fresh(sample, now, tuning)]
    load = _sum(believed, tuning.warm_s)
    if load.pods == 0:
        return Sight(load, blind=_why_blind(observation, now, tuning))
    silent = max(0, observation.expected - load.pods)
    everyone = load.pods + silent
    if silent == 0:
        return Sight(load)
    times = everyone / load.pods
    few = silent > tuning.partial_share * everyone
    return Sight(_times(load, times), times, partial=f"{silent} of {everyone} pods are silent" if few else "")


def whole(observation: Observation, sight: Sight) -> Observation:
    """With the posts of silent pods: as much as the others tell of, as with all that they do."""
    if sight.times == 1.0:
        return observation
    posts = tuple(PostRate(post.post, post.rate * sight.times) for post in observation.posts)
    return replace(observation, posts=posts)


def _fresh(sample: PodSample, now: float, tuning: Tuning) -> bool:
    return now - tuning.stale_s <= sample.at <= now + tuning.future_s


def _sound(sample: PodSample) -> bool:
    figures = (sample.at, sample.arrivals, sample.accepted, sample.busy, sample.queue, sample.in_flight)
    return math.isfinite(sum(figures)) and min(figures[1:]) >= 0 and sample.pods > 0


def _why_blind(observation: Observation, now: float, tuning: Tuning) -> str:
    sound = [sample for sample in observation.pods if _sound(sample)]
    if not observation.pods:
        return "no pod has spoken"
    if not sound:
        return "no pod's figures can be right"
    newest = max(sample.at for sample in sound)
    if newest > now:
        return f"figures are from {newest - now:.0f} s ahead"
    return f"the newest figures are {now - newest:.0f} s old, more than {tuning.stale_s:g} s"


def _sum(samples: Iterable[PodSample], warm_s: float) -> Load:
    pods = warm_pods = 0
    arrivals = accepted = busy = queue = warm_accepted = warm_busy = 0.0
    for sample in samples:
        alike = sample.pods
        pods += alike
        arrivals += alike * sample.arrivals
        accepted += alike * sample.accepted
        busy += alike * min(1.0, sample.busy)
        queue += alike * sample.queue
        if sample.ready_s >= warm_s:
            warm_pods += alike
            warm_accepted += alike * sample.accepted
            warm_busy += alike * min(1.0, sample.busy)
    return Load(pods, arrivals, accepted, busy, queue, warm_pods, warm_accepted, warm_busy)


def _times(load: Load, factor: float) -> Load:
    return Load(
        round(load.pods * factor), load.arrivals * factor, load.accepted * factor, load.busy * factor,
        load.queue * factor, load.warm_pods, load.warm_accepted, load.warm_busy,
    )  # fmt: skip
