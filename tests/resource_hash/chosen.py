"""Section 3: the values of a new object that the API server chose by itself."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from . import managed_fields
from .canonical import Value, canonical, parse
from .granules import Path
from .page import Row
from .places import ABSENT, Absent, Location, at, locations, matches

_GENERATED_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")


@dataclass(frozen=True)
class Granules:
    """The granules of an object, read as values only where a rule asks."""

    texts: dict[Path, str]

    def at(self, location: Location) -> Value | Absent:
        """The value in a place of the object."""
        for length in (1, 2, 3):
            text = self.texts.get(location[:length])
            if text is not None:
                return at(parse(text), location[length:])
        return ABSENT

    def owners(self) -> list[Value]:
        """What the entries of the managed fields own."""
        fields = self.at(("metadata", "managedFields"))
        return [] if fields is ABSENT else managed_fields.owners(fields)


@dataclass(frozen=True)
class Admitted:
    """A new object, and the old one: without granules when the new one is being created."""

    new: Granules
    old: Granules
    is_new: bool


def chosen_places(path: Path, value: Value, rows: list[Row], admitted: Admitted) -> list[Location]:
    """The places below a granule of the new object that are left out."""
    found = []
    for row in rows:
        is_chosen = _REASONS.get(row.why)
        if is_chosen and len(row.place) >= len(path) and matches(row.place, path):
            for location in locations(value, row.place[len(path) :], any_key=False):
                if is_chosen(path + location, at(value, location), admitted):
                    found.append(location)
    return found


def _is_unowned(place: Location, value: Value, admitted: Admitted) -> bool:
    if value == "None" or _old_value(place, admitted) is not ABSENT:
        return False
    around, field = _field_path(place, admitted.new)
    owners = admitted.new.owners()
    return any(managed_fields.has(fields, around) for fields in owners) and not any(
        managed_fields.is_owned(fields, around + field) for fields in owners
    )


def _old_value(place: Location, admitted: Admitted) -> Value | Absent:
    if place[:2] != ("spec", "ports"):
        return admitted.old.at(place)
    port = _port_key(admitted.new.at(place[:3]))
    ports = admitted.old.at(place[:2])
    for old_port in ports if isinstance(ports, list) else []:
        if _port_key(old_port) == port:
            return at(old_port, place[3:])
    return ABSENT


def _field_path(place: Location, new: Granules) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The path of a place in `fieldsV1`: the fields around it, and the rest."""
    if place[:2] == ("spec", "ports"):
        return ("f:spec", "f:ports", _port_key(new.at(place[:3]))), (f"f:{place[3]}",)
    return ("f:spec",), (f"f:{place[1]}",)


def _port_key(port: Value) -> str:
    named = port if isinstance(port, dict) else {}
    return "k:" + canonical({key: named[key] for key in ("port", "protocol") if key in named})


def _is_own_uid(_: Location, value: Value, admitted: Admitted) -> bool:
    return admitted.is_new and value == admitted.new.at(("metadata", "uid"))


def _is_access_volume(_: Location, value: Value, admitted: Admitted) -> bool:
    if not admitted.is_new:
        return False
    volumes = admitted.new.at(("spec", "volumes"))
    names = [at(volume, ("name",)) for volume in volumes] if isinstance(volumes, list) else []
    generated = [name for name in names if isinstance(name, str) and _is_generated(name, admitted.new.owners())]
    return generated == [value]


def _is_generated(name: str, owners: list[Value]) -> bool:
    path = ("f:spec", "f:volumes", "k:" + canonical({"name": name}))
    return (
        _GENERATED_VOLUME.fullmatch(name) is not None
        and any(managed_fields.has(fields, path[:1]) for fields in owners)
        and not any(managed_fields.is_owned(fields, path) for fields in owners)
    )


Reason: TypeAlias = Callable[[Location, Value, Admitted], bool]
_REASONS: dict[str, Reason] = {
    "unowned": _is_unowned,
    "own uid": _is_own_uid,
    "access volume": _is_access_volume,
    "overwritten": lambda _place, _value, admitted: admitted.is_new,
    "moment": lambda _place, _value, _admitted: True,
}
