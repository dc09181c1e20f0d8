"""The commands about API keys of other servers: `key new`."""

import json

import click

from service.auth.api_keys import SCOPES, new_key


@click.group()
def key() -> None:
    """Manage the API keys of other servers."""


@key.command("new")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What the server may do. Repeat the option to give several scopes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")
def key_new(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create an API key for the server NAME.

    The key is printed once and stored nowhere.
    """
    try:
        created, entry = new_key(name, scopes)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"key": created, "entry": entry}))
    else:
        click.echo(f"{created}\n\nGive this key to {name} now. It is stored nowhere and is not shown again.")
        click.echo(f"Add the following entry to LIKEWISE_API_KEYS. Separate entries by commas.\n\n{entry}")
