"""Random objects: every place of the page's table, owned and unowned, and pairs that differ a little."""

import copy
import json
from random import Random
from typing import Any

from .page import Row, rows_of

KINDS = [
    ("v1", "Service"),
    ("v1", "Pod"),
    ("batch/v1", "Job"),
    ("v1", "Secret"),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("v1", "PersistentVolume"),
    ("apps/v1", "Deployment"),
    ("v1", "ConfigMap"),
    ("example.com/v1", "Widget"),
]
_UID = "4c0e"
_SCALARS = [None, True, False, 0, 1, 80, 81, 31111, "", "a", "None", "TCP", "UDP", "10.96.7.7", _UID]
_VOLUMES = ["kube-api-access-x7k2p", "kube-api-access-aaaaa", "kube-api-access-AAAAA", "kube-api-access-abcdef", "data"]
_KEYS = ["a", "b", "name", "a/b", "~", "*", "0", "é", "\ufb33", "😀", ""]
_ROOTS = ["spec", "status", "data", "binaryData", "stringData", "rules", "type"]


class ObjectMaker:
    """Makes objects of one kind."""

    def __init__(self, random: Random, api_version: str, kind: str) -> None:
        self.random = random
        self.rows = rows_of(api_version, kind)
        self.names = {"apiVersion": api_version, "kind": kind}

    def object(self) -> dict[str, Any]:
        """An object with some places of the table, some others, and managed fields that own a part of it."""
        made: dict[str, Any] = self.names | {"metadata": {"name": "n", "namespace": "s"}}
        for _ in range(self.random.randint(1, 4)):
            path = (self.random.choice([*_ROOTS, "metadata"]), self.random.choice([*_KEYS, "labels", "annotations"]))
            self._plant(made, path, self.value())
        special = [row for row in self.rows if row.kind != "all"]
        for row in self._some(special, 0.7) + self._some([row for row in self.rows if row not in special], 0.1):
            for _ in range(self.random.randint(1, 2)):
                self._plant(made, row.place, self._planted(row))
        if self.names["kind"] == "Service" and self._chance(0.8):
            self._name_ports(made)
        if self._chance(0.9):
            self._own(made)
        return made

    def changed(self, made: dict[str, Any]) -> dict[str, Any]:
        """The object with some of its places changed, and with managed fields of its own."""
        new = copy.deepcopy(made)
        for _ in range(self.random.choice([0, 1, 1, 2, 3, 5])):
            self._change(new)
        if self._chance(0.7):
            self._own(new)
        return new

    def value(self, depth: int = 2) -> Any:
        """Any small value."""
        way = self.random.random()
        if depth == 0 or way < 0.6:
            return self.random.choice(_SCALARS)
        if way < 0.8:
            return [self.value(depth - 1) for _ in range(self.random.randint(0, 2))]
        return {self.random.choice(_KEYS): self.value(depth - 1) for _ in range(self.random.randint(0, 3))}

    def pattern(self, made: dict[str, Any]) -> str:
        """A pointer to something in the object or near it, some of its segments being any."""
        place, below = [], made
        while isinstance(below, dict | list) and below and (len(place) < 2 or self._chance(0.8)):
            key = self.random.choice(list(below) if isinstance(below, dict) else list(range(len(below))))
            place.append("*" if self._chance(0.3) else str(key))
            below = below[key]
        if self._chance(0.1):
            place.append(self.random.choice(_KEYS))
        return "".join("/" + (segment.replace("~", "~0").replace("/", "~1") or "*") for segment in place)

    def _plant(self, made: Any, place: tuple[str, ...], value: Any) -> None:
        """Sets a place, and makes maps and lists on the way where nothing else is."""
        for segment, below in zip(place, [*place[1:], None]):
            if isinstance(made, list) and segment == "*":
                if not made or self._chance(0.5):
                    made.append(None)
                key: Any = self.random.randrange(len(made))
            elif isinstance(made, dict):
                key = segment
                made.setdefault(key, None)
            else:
                return
            if below is None:
                made[key] = value
            elif made[key] is None:
                made[key] = [] if below == "*" else {}
            made = made[key]

    def _planted(self, row: Row) -> Any:
        if row.why == "access volume":
            return self.random.choice(_VOLUMES)
        if row.why == "own uid":
            return self.random.choice([_UID, _UID, "mine"])
        return self.random.choice([31111, "10.96.7.7", "None", self.value(1)])

    def _name_ports(self, made: dict[str, Any]) -> None:
        spec = made.get("spec")
        ports = spec.get("ports") if isinstance(spec, dict) else None
        for port in ports if isinstance(ports, list) else []:
            if isinstance(port, dict):
                port["port"] = self.random.choice([80, 81])
                if self._chance(0.9):
                    port["protocol"] = self.random.choice(["TCP", "UDP"])

    def _own(self, made: dict[str, Any]) -> None:
        if not isinstance(made.get("metadata"), dict):
            return
        uid = self.random.choice([_UID, _UID, _UID, "other", None])
        entries = [self._entry(made) for _ in range(self.random.randint(0, 2))]
        made["metadata"] |= {"uid": uid, "managedFields": entries}

    def _entry(self, made: dict[str, Any]) -> Any:
        if self._chance(0.1):
            return self.random.choice([None, {}, "x", {"fieldsV1": None}, {"fieldsV1": {}}, {"fieldsV1": {"f:spec": {}}}])
        return {"manager": "m", "fieldsV1": self._fields(made)}

    def _fields(self, value: Any) -> dict[str, Any]:
        """What owns a random part of a value."""
        found: dict[str, Any] = {".": {}} if self._chance(0.3) else {}
        if isinstance(value, dict):
            items = [(f"f:{key}", below) for key, below in value.items()]
        else:
            items = [(self._element(element), element) for element in value] if isinstance(value, list) else []
        for key, below in items:
            if self._chance(0.7):
                found[key] = self._fields(below) if self._chance(0.9) else {}
        return found

    def _element(self, element: Any) -> str:
        named = element if isinstance(element, dict) else {}
        keys = {key: named[key] for key in ("name", "port", "protocol") if key in named}
        return "k:" + json.dumps(keys, separators=(",", ":")) if keys else "v:" + json.dumps(element)

    def _change(self, made: Any) -> None:
        """Sets, adds, removes or doubles something somewhere."""
        while True:
            keys = list(made) if isinstance(made, dict) else list(range(len(made)))
            key = self.random.choice(keys) if keys else None
            if key is not None and isinstance(made[key], dict | list) and self._chance(0.85):
                made = made[key]
                continue
            break
        way = self.random.random()
        if key is None or way < 0.2:
            made.update({self.random.choice(_KEYS): self.value()}) if isinstance(made, dict) else made.append(self.value())
        elif way < 0.5:
            del made[key]
        elif way < 0.6 and isinstance(made, list):
            made.insert(self.random.randrange(len(made)), copy.deepcopy(made[key]))
        else:
            made[key] = self.value()

    def _some(self, rows: list[Row], chance: float) -> list[Row]:
        return [row for row in rows if self._chance(chance)]

    def _chance(self, chance: float) -> bool:
        return self.random.random() < chance
