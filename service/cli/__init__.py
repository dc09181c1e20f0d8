"""The command `likewise`.

Modules that take long to import are imported by the commands that need them. `likewise api` only starts gunicorn, and
its imports would delay the readiness of a pod.
"""

from typing import Any

import click

from service.cli.capacity import capacity
from service.cli.databases import migrate, verify
from service.cli.keys import key
from service.cli.local import drill, up
from service.cli.processes import api, flusher
from service.errors import LikewiseError


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LikewiseError as error:
            raise click.ClickException(str(error)) from error


# click keeps the line breaks of a paragraph that starts with a backspace.
_EXIT_CODES = """\b
Exit codes of every command:
  0  The command succeeded.
  1  The command failed, or a check found a problem. The reason is printed.
  2  The command line is wrong, or a package is missing.
"""


@click.group(cls=_Group, epilog=_EXIT_CODES)
@click.version_option(package_name="likewise")
@click.pass_context
def main(context: click.Context) -> None:
    """Run the back end of a like button that stays correct when a post goes viral.

    Settings are environment variables that start with LIKEWISE_. The documentation lists them in
    docs/reference/settings.md.
    """
    # gunicorn configures the logs of the API.
    if context.invoked_subcommand != "api":
        from service.observability.logging import configure_logs

        configure_logs()


for command in (up, drill, capacity, api, flusher, migrate, verify, key):
    main.add_command(command)
