"""The table of section 3, read from the page itself: its rows are the rules."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path as File

from .places import Place, segments

PAGE = File(__file__).parents[2] / "docs/spec/resource-hash.md"
_ROW = re.compile(r"^\| `(/[^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A place that is left out of the objects of a kind (`all`: of every kind), and why."""

    place: Place
    kind: str
    why: str


@functools.cache
def rows() -> tuple[Row, ...]:
    """All rows of the table, in their order."""
    section = PAGE.read_text().split("\n## 3. ")[1].split("\n## 4. ")[0]
    return tuple(Row(segments(place), kind, why) for place, kind, why in _ROW.findall(section))


def rows_of(api_version: str, kind: str) -> list[Row]:
    """The rows about one kind."""
    return [row for row in rows() if row.kind in ("all", f"{api_version} {kind}")]
