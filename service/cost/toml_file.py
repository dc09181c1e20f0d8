"""Read a TOML file into a model, with errors that name the file, the key and a valid value."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import LikewiseError


class TomlFileError(LikewiseError):
    """A file of prices or figures cannot be used. The message names the file, the key and what is valid."""


class TomlModel(BaseModel):
    """The keys of a file. Each field has a description and an example, which are quoted in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=TomlModel)


def read_toml(file: Path, model: type[Model]) -> Model:
    """Return the content of the file. Raises TomlFileError."""
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise TomlFileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TomlFileError(f"{file} is not a text in UTF-8: {error.reason} at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise TomlFileError(f"{file} is not valid TOML: {error}") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise TomlFileError(f"{file}: {'; '.join(_reasons(error, model))}") from error


def _reasons(error: ValidationError, model: type[TomlModel]) -> Iterable[str]:
    for one in error.errors():
        *path, key = [str(part) for part in one["loc"]]
        owner = _owner(model, path)
        name = ".".join([*path, key])
        if one["type"] == "extra_forbidden":
            yield f"the key {name} is unknown; the known ones are {', '.join(owner.model_fields)}"
        elif one["type"] == "missing":
            yield f"the key {name} is missing; add {_example(owner, key)}"
        else:
            yield f"{name} is {one['input']!r}: {one['msg'][:1].lower()}{one['msg'][1:]}, as in {_example(owner, key)}"


def _owner(model: type[TomlModel], path: list[str]) -> type[TomlModel]:
    """Return the model of the table that the path leads to."""
    for name in path:
        annotation: Any = model.model_fields[name].annotation
        model = annotation
    return model


def _example(model: type[TomlModel], key: str) -> str:
    field = model.model_fields[key]
    example = f"{key} = {field.examples[0]}" if field.examples else f"the table [{key}]"
    return f"`{example}` ({field.description})" if field.description else example
