"""Places in a value: where a pointer with `*` leads, and values without what is there."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from .canonical import Value
from .refusal import Refused

Place: TypeAlias = tuple[str, ...]
"""A pointer's segments, unescaped; `*` is any."""
Location: TypeAlias = tuple[str | int, ...]
"""One concrete place below a value: keys of maps and indices of lists."""


class Absent:
    """What stands where no value is."""


ABSENT = Absent()


def segments(pattern: str) -> Place:
    """The segments of a pointer."""
    if not re.fullmatch(r"(/([^/~]|~[01])+)+", pattern, re.DOTALL):
        raise Refused(f"`{pattern}` is no pattern")
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in pattern[1:].split("/"))


def matches(place: Iterable[str], path: Iterable[str]) -> bool:
    """Whether each segment of one is that of the other, as far as the shorter one goes."""
    return all(mine in ("*", theirs) for mine, theirs in zip(place, path))


def locations(value: Value, place: Place, any_key: bool) -> Iterator[Location]:
    """Where a place is in a value. `*` is any element of a list, and with `any_key` any key of a map too."""
    if not place:
        yield ()
        return
    first, rest = place[0], place[1:]
    for segment, below in _children(value):
        is_any = first == "*" and (any_key or isinstance(segment, int))
        if is_any or first == str(segment):
            yield from ((segment, *location) for location in locations(below, rest, any_key))


def at(value: Value, location: Location) -> Value | Absent:
    """The value in a place."""
    for segment in location:
        below = dict(_children(value))
        if segment not in below:
            return ABSENT
        value = below[segment]
    return value


def without(value: Value, left_out: Iterable[Location]) -> Value | Absent:
    """The value without those places. A map or list stays, also when nothing else is in it."""
    gone = set(left_out)
    if () in gone:
        return ABSENT
    kept = {}
    for segment, below in _children(value):
        inner = without(below, [location[1:] for location in gone if location[0] == segment])
        if inner is not ABSENT:
            kept[segment] = inner
    if isinstance(value, dict):
        return kept
    return list(kept.values()) if isinstance(value, list) else value


def _children(value: Value) -> list[tuple[str | int, Value]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
