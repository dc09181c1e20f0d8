"""Write service/cost/figures.toml: the figures of the capacity model. Pure."""

from collections.abc import Mapping

from bench.cost.sources import BENCH_PARTS, Sources

_MILLION = 1e6
_HEAD = """\
# What one like costs, measured by `make bench` and by a load test, and written by `python -m bench.cost`.
# CPU time is in microseconds of all processes of a part, the rest in bytes.
"""


def figures_toml(sources: Sources) -> str:
    """Return the file. The CPU time is that of the bench; of NGINX, that of the load test if the bench has none."""
    microseconds = sources.bench["microseconds"]
    one = microseconds.get("like_through_nginx", microseconds["like"])
    # NGINX knows no posts, so it spends the same on every like.
    nginx = one.get("nginx", sources.drill["cpu_us_per_like"]["nginx"])
    machine = sources.bench["machine"]
    head = [f"date = {sources.bench['when'][:10]}", f'machine = "{machine["cpu"]}, {machine["cores"]} cores"']
    tables = {
        "one_post": _cpu(one, nginx),
        "many_posts": _cpu(microseconds["like_over_posts"], nginx),
        "bytes": _bytes(sources),
    }
    lines = [_HEAD + "\n".join(head)]
    for name, values in tables.items():
        lines += [f"\n[{name}]", *(f"{key} = {value:.1f}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _cpu(spent: Mapping[str, float], nginx: float) -> dict[str, float]:
    return {part: spent.get(name, nginx) for part, name in BENCH_PARTS.items()}


def _bytes(sources: Sources) -> dict[str, float]:
    like = {name: quantity / _MILLION for name, quantity in sources.quantities.items()}
    # The API's responses to NGINX are not measured; they are about as large as those to the clients.
    internal = ("nginx_to_api_bytes", "client_out_bytes", "redis_in_bytes", "redis_out_bytes")
    bench = {name: sources.bench[f"{name}_bytes_per_like"]["median"] for name in ("redis_pending", "redis_settled")}
    return {
        "client_in": like["client_in_bytes"],
        "client_out": like["client_out_bytes"],
        "internal": sum(like[name] for name in internal),
        **bench,
        "postgres_stored": sources.bench["postgres_bytes_per_like"]["median"],
        "postgres_wal": like["postgres_wal_bytes"],
    }
