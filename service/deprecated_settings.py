"""Accept a setting's old name for one release, with a warning that names the new one."""

import os
import sys
from collections.abc import Mapping, MutableMapping


def accept_old_names(renamed: Mapping[str, str], environment: MutableMapping[str, str] = os.environ) -> list[str]:
    """Move the value of each old variable to the new one, and return a warning for each old name in use.

    `renamed` maps old variables to new ones. If both are set, the new one takes precedence.
    """
    warnings = []
    for old, new in renamed.items():
        if old not in environment:
            continue
        # The old variable is removed, so that another call and child processes don't report it again.
        value = environment.pop(old)
        if new in environment:
            warnings.append(f"{old} is ignored, because {new} is set. Remove {old}: it was renamed to {new}.")
        else:
            environment[new] = value
            warnings.append(f"{old} was renamed to {new}. The old name still works in this release; set {new} instead.")
    return warnings


def warn(warnings: list[str]) -> None:
    """Print each warning to standard error, once."""
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)  # noqa: T201
