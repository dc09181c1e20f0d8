"""The shard map: the Postgres database of each shard."""

import re
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

from service.errors import ConfigurationError

_PART = re.compile(r"(\d+)(?:-(\d+))?=(postgres(?:ql)?://\S+)")


@dataclass(frozen=True, slots=True)
class ShardRange:
    """The shards `first` to `last`, in the database at `url`."""

    first: int
    last: int
    url: str

    @property
    def shards(self) -> range:
        """The shards of the range."""
        return range(self.first, self.last + 1)

    @property
    def name(self) -> str:
        """The address without user and password, for messages."""
        info = conninfo_to_dict(self.url)
        return f"{info.get('host', 'local')}:{info.get('port', 5432)}/{info.get('dbname', '')}"


def parse_shard_map(text: str, shards: int) -> list[ShardRange]:
    """Parse `0-127=postgresql://a/b 128-255=...`.

    Raises ConfigurationError unless the map names each of the `shards` shards once.
    """
    ranges = []
    for part in text.split():
        found = _PART.fullmatch(part)
        if not found:
            raise ConfigurationError(f"LIKEWISE_SHARD_MAP: {part.split('@')[-1]!r} is not FIRST-LAST=postgresql://...")
        first, last, url = found.groups()
        ranges.append(ShardRange(int(first), int(last or first), url))
    mapped = sorted(shard for shard_range in ranges for shard in shard_range.shards)
    if mapped != list(range(shards)):
        raise ConfigurationError(
            f"LIKEWISE_SHARD_MAP must name each of the shards 0 to {shards - 1} once (LIKEWISE_SHARDS is {shards})"
        )
    return ranges
