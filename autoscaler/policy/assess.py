"""Assess which reports of an observation can be trusted. Pure."""

import math
from dataclasses import dataclass, replace

from autoscaler.policy.forecast.load import Load, scaled_load, sum_load
from autoscaler.policy.observation import Observation, PodSample, PostRate
from autoscaler.policy.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Assessment:
    """The trusted load. `no_data` says why there is none, and `partial` why some of it is missing.

    Both are empty for complete data. `factor` is the number of all pods over the number of reporting pods. The load
    already includes it.
    """

    load: Load
    factor: float = 1.0
    no_data: str = ""
    partial: str = ""


def assess(observation: Observation, now: float, tuning: Tuning) -> Assessment:
    """Sum the load of the pods with fresh and valid reports.

    Silent pods are assumed to have the mean load of the reporting ones.
    """
    trusted = [sample for sample in observation.pods if _is_valid(sample) and _is_fresh(sample, now, tuning)]
    load = sum_load(trusted, tuning.warmup_s)
    if load.pods == 0:
        return Assessment(load, no_data=_explain_no_data(observation, now, tuning))
    silent = max(0, observation.expected - load.pods)
    if silent == 0:
        return Assessment(load)
    total = load.pods + silent
    factor = total / load.pods
    partial = f"{silent} of {total} pods are silent" if silent > tuning.max_missing_share * total else ""
    return Assessment(scaled_load(load, factor), factor, partial=partial)


def scale_posts(observation: Observation, assessment: Assessment) -> Observation:
    """Return the observation with the posts' rates scaled up for silent pods, as the load is."""
    if assessment.factor == 1.0:
        return observation
    posts = tuple(PostRate(post.post, post.rate * assessment.factor) for post in observation.posts)
    return replace(observation, posts=posts)


def _is_fresh(sample: PodSample, now: float, tuning: Tuning) -> bool:
    return now - tuning.stale_s <= sample.at <= now + tuning.max_clock_skew_s


def _is_valid(sample: PodSample) -> bool:
    values = (sample.at, sample.arrivals, sample.accepted, sample.busy, sample.queue, sample.in_flight)
    return math.isfinite(sum(values)) and min(values[1:]) >= 0 and sample.pods > 0


def _explain_no_data(observation: Observation, now: float, tuning: Tuning) -> str:
    valid = [sample for sample in observation.pods if _is_valid(sample)]
    if not observation.pods:
        return "no pod has reported"
    if not valid:
        return "every report is invalid"
    newest = max(sample.at for sample in valid)
    if newest > now:
        return f"the newest report is {newest - now:.0f} s in the future"
    return f"the newest report is {now - newest:.0f} s old, the limit is {tuning.stale_s:g} s"
