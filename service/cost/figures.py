"""The figures of one like, from a TOML file: CPU time by part, and bytes."""

import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from service.cost.toml_file import TomlModel, read_toml

# Measured on the machine that it names, and written by `python -m bench.cost`.
SHIPPED = Path(__file__).with_name("figures.toml")


def _figure(description: str, example: str) -> Any:
    return Field(gt=0, allow_inf_nan=False, description=description, examples=[example])


class CpuFigures(TomlModel):
    """CPU time of a like in µs, by part."""

    api: Annotated[float, _figure("µs of the API", "90.0")]
    nginx: Annotated[float, _figure("µs of NGINX", "40.0")]
    redis: Annotated[float, _figure("µs of the Redis primary", "25.0")]
    postgres: Annotated[float, _figure("µs of the database", "20.0")]
    flusher: Annotated[float, _figure("µs of the flusher", "15.0")]


class ByteFigures(TomlModel):
    """Bytes of a like."""

    client_in: Annotated[float, _figure("from the client", "190.0")]
    client_out: Annotated[float, _figure("to the client", "340.0")]
    internal: Annotated[float, _figure("between NGINX, API, Redis and flusher", "1000.0")]
    redis_pending: Annotated[float, _figure("in Redis, in addition, until it is stored", "50.0")]
    redis_settled: Annotated[float, _figure("in Redis once it is stored", "43.0")]
    postgres_stored: Annotated[float, _figure("in Postgres, with all indexes", "250.0")]
    postgres_wal: Annotated[float, _figure("in the write-ahead log of Postgres", "480.0")]


class Figures(TomlModel):
    """The figures of a like of one busy post, and of a like that shares its post with few others."""

    date: Annotated[datetime.date, Field(description="the day of the measurement", examples=["2026-11-01"])]
    machine: Annotated[str, Field(min_length=1, description="where they were measured", examples=['"4 cores"'])]
    one_post: CpuFigures
    many_posts: CpuFigures
    bytes: ByteFigures


def read_figures(file: Path | None = None) -> Figures:
    """Return the figures of the file, or those of the package. Raises TomlFileError."""
    return read_toml(file or SHIPPED, Figures)
