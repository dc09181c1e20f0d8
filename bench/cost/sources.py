"""Read the results that the page is made from: the bench, and a load test of the local stack."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.report import LATEST
from service.cost.prices import Prices
from service.cost.toml_file import read_toml
from service.loadtest.report.costs import MILLION, CostReport, cost_lines

ROOT = Path(__file__).parents[2]
DRILL = ROOT / "bench" / "results" / "cost.json"
PRICES = ROOT / "examples" / "prices-aws-us-east-1.toml"
# The names that the bench gives to the parts of the capacity model.
BENCH_PARTS = {"api": "pod", "nginx": "nginx", "redis": "redis", "postgres": "postgres", "flusher": "flusher"}


@dataclass(frozen=True, slots=True)
class Sources:
    """The results of the bench, those of the load test, and the example prices."""

    bench: Mapping[str, Any]
    drill: Mapping[str, Any]
    prices: Prices

    @property
    def quantities(self) -> dict[str, float]:
        """What a million likes of the load test used, by the name of the resource."""
        return {line["name"]: line["quantity"] for line in self.drill["costs"]["lines"]}

    @property
    def costs(self) -> CostReport:
        """The same with prices."""
        lines = cost_lines(self.quantities, self.prices)
        return CostReport(MILLION, lines, prices=self.prices.model_dump(mode="json"))

    @property
    def day(self) -> datetime.date:
        """The day of the load test."""
        return datetime.date.fromisoformat(self.drill["machine"]["at"][:10])


def read_sources() -> Sources:
    """Read the files. Raises BenchError if the load test was not one of a local stack that stored every like."""
    bench, drill = (json.loads(file.read_text("utf-8")) for file in (LATEST, DRILL))
    names = {line["name"] for line in drill["costs"]["lines"]}
    needed = {"client_out_bytes", "nginx_to_api_bytes", "redis_disk_bytes", "postgres_wal_bytes"}
    if missing := needed - names:
        raise BenchError(f"{DRILL} lacks {', '.join(sorted(missing))}; run the load test against a local stack")
    if not drill["ok"]:
        raise BenchError(f"{DRILL} is of a load test that failed; run it again")
    return Sources(bench, drill, read_toml(PRICES, Prices))
