"""The command `likewise-autoscaler`.

Exit codes: 0 for success, 1 for a failure that a sentence explains, 2 for wrong usage.
"""

import logging
import sys
from typing import Any

import click
import structlog

from autoscaler.commands import COMMANDS
from autoscaler.errors import AutoscalerError
from autoscaler.simulator.command import simulate


def configure_logging() -> None:
    """Log as JSON lines to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AutoscalerError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(package_name="likewise")
def main() -> None:
    """Scale the API pods and the flushers of Likewise.

    The autoscaler reads the load of each pod once a second. It adds pods within seconds of a rise, and removes them
    slowly.
    """
    configure_logging()


for _command in (*COMMANDS, simulate):
    main.add_command(_command)


if __name__ == "__main__":
    main(prog_name="likewise-autoscaler")
