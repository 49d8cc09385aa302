"""Sections 2 to 5: what a write changes, and its hashes."""

import hashlib
import hmac
from dataclasses import dataclass

from .canonical import canonical, parse
from .chosen import Admitted, Granules, chosen_places
from .granules import Path, granules, pointer
from .page import rows_of
from .refusal import Refused
from .places import ABSENT, Location, locations, matches, segments, without

PREFIX = "countersign.dev/resource-hash/v1\n"


@dataclass(frozen=True)
class Write:
    """A write as the webhook is asked about it. `old` and `new` are JSON texts; `writer` is the GitOps client that writes."""

    operation: str
    api_version: str
    kind: str
    subresource: str = ""
    writer: str | None = None
    ignore: tuple[str, ...] = ()
    old: str | None = None
    new: str | None = None

    def is_removal(self) -> bool:
        """Whether it removes the object as a whole."""
        return self.operation == "DELETE" or (self.operation, self.subresource, self.kind) == (
            "CREATE",
            "eviction",
            "Eviction",
        )


@dataclass(frozen=True)
class Granule:
    """A place that differs, with canonical forms or keyed digests."""

    pointer: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Effect:
    """What a write does."""

    granules: list[Granule]
    ignored: list[str]
    resource_hash: str
    old_hash: str | None


def is_noop(write: Write) -> bool:
    """Whether an UPDATE changes nothing but what the API server owns."""
    if write.operation != "UPDATE":
        return False
    if write.old == write.new:
        return True
    owned = {row.place for row in rows_of("", "") if row.why == "server-owned"}
    old, new = granules(write.old), granules(write.new)
    return all(
        path in owned or old.get(path) == new.get(path) or _canonical(old.get(path)) == _canonical(new.get(path))
        for path in old.keys() | new.keys()
    )


def effect(write: Write, key: bytes) -> Effect:
    """The granules that differ and the hashes over them."""
    if write.operation == "CONNECT":
        changed, ignored = [], []
    elif write.is_removal():
        changed, ignored = [Granule("", None, None)], []
    else:
        changed, ignored = _Comparison(write, key).granules()
    is_update = write.operation == "UPDATE"
    return Effect(
        changed,
        ignored,
        _root(write, [(granule.pointer, granule.new) for granule in changed]),
        _root(write, [(granule.pointer, granule.old) for granule in changed]) if is_update else None,
    )


class _Comparison:
    """The old and the new object of a CREATE or UPDATE."""

    def __init__(self, write: Write, key: bytes) -> None:
        self.write = write
        self.key = key
        self.old = granules(write.old) if write.operation == "UPDATE" else {}
        self.new = granules(write.new)
        self.rows = rows_of(write.api_version, write.kind)
        self.patterns = [segments(pattern) for pattern in write.ignore]
        self.admitted = Admitted(Granules(self.new), Granules(self.old), write.operation == "CREATE")

    def granules(self) -> tuple[list[Granule], list[str]]:
        """The granules that differ, and what the patterns left out, both by pointer in byte order."""
        changed, ignored = [], set()
        for path in self.old.keys() | self.new.keys():
            if self._is_left_out(path) or self.old.get(path) == self.new.get(path):
                continue
            if any(len(pattern) <= len(path) and matches(pattern, path) for pattern in self.patterns):
                ignored.add(pointer(path))
                continue
            old, ignored_old = self._kept(path, self.admitted.old, [])
            new, ignored_new = self._kept(path, self.admitted.new, self._chosen(path))
            ignored |= ignored_old | ignored_new
            if old != new:
                shown_old = self._shown(path, old, self.admitted.old)
                shown_new = self._shown(path, new, self.admitted.new)
                changed.append(Granule(pointer(path), shown_old, shown_new))
        in_order = sorted(changed, key=lambda granule: granule.pointer.encode())
        return in_order, sorted(ignored, key=str.encode)

    def _is_left_out(self, path: Path) -> bool:
        always = ("server-owned", "identity", "counter", f"owner mark of {self.write.writer}")
        return any(row.place == path and row.why in always for row in self.rows)

    def _chosen(self, path: Path) -> list[Location]:
        text = self.new.get(path)
        return [] if text is None else chosen_places(path, parse(text), self.rows, self.admitted)

    def _kept(self, path: Path, of: Granules, chosen: list[Location]) -> tuple[str | None, set[str]]:
        """A granule's canonical form without what was chosen and ignored, and the pointers of the latter."""
        if path not in of.texts:
            return None, set()
        value = parse(of.texts[path])
        below = [pattern[len(path) :] for pattern in self.patterns if matches(pattern, path)]
        ignored = [location for place in below for location in locations(value, place, any_key=True)]
        kept = without(value, chosen + ignored)
        form = None if kept is ABSENT else canonical(kept)
        return form, {pointer(path + location) for location in ignored}

    def _shown(self, path: Path, form: str | None, of: Granules) -> str | None:
        is_secret = (self.write.api_version, self.write.kind) == ("v1", "Secret")
        if form is None or not is_secret or path[0] not in ("data", "stringData"):
            return form
        return _redacted(self.key, [_named(of, "namespace"), _named(of, "name"), pointer(path), form])


def _named(of: Granules, field: str) -> str:
    name = of.at(("metadata", field))
    if name is ABSENT or name is None:
        return ""
    if not isinstance(name, str):
        raise Refused(f"/metadata/{field} is no string")
    return name


def _canonical(text: str | None) -> str | None:
    return None if text is None else canonical(parse(text))


def _redacted(key: bytes, parts: list[str]) -> str:
    message = b""
    for part in ["countersign.dev/redacted/v1", *parts]:
        message += len(part.encode()).to_bytes(8, "big") + part.encode()
    return "hmac-sha256:" + hmac.digest(key, message, "sha256").hex()


def _root(write: Write, shown: list[tuple[str, str | None]]) -> str:
    changes = [[place, None if text is None else sha256(text)] for place, text in shown]
    return sha256(PREFIX + canonical([write.api_version, write.kind, write.subresource, changes]))


def sha256(text: str) -> str:
    """The digest of a text, as this page writes it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
