"""Read the settings of a command, and check that the packages it needs are installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from service.cost.toml_file import TomlModel
    from service.settings import Settings


Model = TypeVar("Model", bound="TomlModel")


class _MissingPackageError(click.ClickException):
    exit_code = 2


def read_settings(*, of_local_stack: bool = False) -> "Settings":
    """Return the settings. With `of_local_stack`, those of the stack in the state directory are the defaults."""
    from service.settings import settings_from_environment

    return settings_from_environment(of_local_stack=of_local_stack)


def read_toml_file(option: str, file: Path, model: type[Model]) -> Model:
    """Return the content of the file that the option names. Exits with code 2 and a reason if it is not valid."""
    from service.cost.toml_file import TomlFileError, read_toml

    try:
        return read_toml(file, model)
    except TomlFileError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def require(command: str, *modules: str) -> None:
    """Exit with code 2 and a sentence that says what to install, unless every module is there."""
    if missing := [module for module in modules if find_spec(module) is None]:
        raise _MissingPackageError(
            f"`likewise {command}` needs {', '.join(missing)}, which this installation does not have. "
            "Install it with: pip install 'likewise[local]'. "
            "In a cluster, `likewise drill` is in the image likewise-drill."
        )
