"""Prices of the resources that likes use, from a TOML file."""

import datetime
from typing import Annotated, Any

from pydantic import Field

from service.cost.toml_file import TomlModel

# Prices are per decimal gigabyte.
GB = 1e9
HOUR_S = 3_600


def _price(description: str, example: str) -> Any:
    return Field(ge=0, allow_inf_nan=False, description=description, examples=[example])


class Prices(TomlModel):
    """The prices of a provider. A GB is a billion bytes, and a month has 730 hours."""

    currency: Annotated[str, Field(min_length=1, description="the currency of all prices", examples=['"USD"'])]
    date: Annotated[datetime.date, Field(description="the day of the price list", examples=["2026-11-01"])]
    source: Annotated[
        str,
        Field(min_length=1, description="the price list", examples=['"list prices of a provider, its region"']),
    ]
    cpu_core_hour: Annotated[float, _price("one core for an hour", "0.04")]
    memory_gb_hour: Annotated[float, _price("a GB of memory for an hour", "0.005")]
    storage_gb_month: Annotated[float, _price("a GB of disk for a month", "0.08")]
    network_in_gb: Annotated[float, _price("a GB that comes from the internet", "0.0")]
    network_out_gb: Annotated[float, _price("a GB that goes to the internet", "0.09")]
    network_internal_gb: Annotated[float, _price("a GB between two parts of the service", "0.013")]
    logs_gb: Annotated[float, _price("a GB of logs", "0.5")]
    metrics_million_samples: Annotated[float, _price("a million samples of metrics", "0.09")]
