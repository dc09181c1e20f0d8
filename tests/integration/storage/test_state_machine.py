"""Random likes, unlikes and faults on the embedded servers."""

from tests.support.suites.state_machine_suite import *  # noqa: F403
