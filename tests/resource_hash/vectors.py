"""The golden vectors, compared with what this package computes."""

import json
from pathlib import Path as File
from typing import Any

from . import json_text
from .canonical import canonical_text
from .change import Effect, Write, effect, is_noop
from .command import binding_hash, command_hash
from .refusal import Refused

DATA = File(__file__).parents[1] / "data/resource-hash"


def disagreements() -> tuple[int, list[str]]:
    """How many vectors there are, and each one that does not hold."""
    found = [*_canonical(), *_changes(), *_refused(), *_commands(), *_bindings()]
    return len(found), [line for line in found if line]


def write_of(vector: str) -> Write:
    """The write of a vector. The texts of the objects are kept as they are."""
    fields = dict(json_text.members(vector))
    told = json.loads(vector)
    old, new = (None if fields[side] == "null" else fields[side] for side in ("old", "new"))
    return Write(
        told["operation"],
        told["apiVersion"],
        told["kind"],
        told["subresource"],
        told["writer"],
        tuple(told["ignore"]),
        old,
        new,
    )


def shown(found: Effect) -> dict[str, Any]:
    """An effect as the vectors write it."""
    return {
        "granules": [vars(granule) for granule in found.granules],
        "ignored": found.ignored,
        "resourceHash": found.resource_hash,
        "oldHash": found.old_hash,
    }


def _canonical() -> list[str]:
    found = []
    for vector in json.loads((DATA / "canonical.json").read_text()):
        try:
            got, is_right = canonical_text(vector["text"]), "canonical"
        except Refused as refused:
            got, is_right = str(refused), "error"
        expected = vector.get(is_right)
        holds = expected is not None and (got == expected if is_right == "canonical" else got.startswith(expected))
        found.append("" if holds else f"{vector['text']}: {got}")
    return found


def _changes() -> list[str]:
    fields = dict(json_text.members(json_text.value((DATA / "changes.json").read_text())))
    key = bytes.fromhex(json.loads(fields["redactionKey"]))
    found = []
    for vector in json_text.elements(fields["vectors"]):
        told = json.loads(vector)
        write = write_of(vector)
        got = {"noop": is_noop(write)} | shown(effect(write, key))
        wrong = [f"{field} is {got[field]}, not {told[field]}" for field in got if got[field] != told[field]]
        found.append(f"{told['name']}: {'; '.join(wrong)}" if wrong else "")
    return found


def _refused() -> list[str]:
    found = []
    for vector in json.loads((DATA / "refused.json").read_text()):
        ignore, old, new = tuple(vector["ignore"]), vector["old"], vector["new"]
        try:
            got = effect(Write("UPDATE", "example.com/v1", "Widget", ignore=ignore, old=old, new=new), b"")
        except Refused:
            found.append("")
        else:
            found.append(f"{vector['name']}: {got}")
    return found


def _commands() -> list[str]:
    found = []
    for vector in json_text.elements(json_text.value((DATA / "commands.json").read_text())):
        told, options = json.loads(vector), dict(json_text.members(vector))["options"]
        got = command_hash(None if options == "null" else options)
        found.append("" if got == told["commandHash"] else f"{options}: {got}")
    return found


def _bindings() -> list[str]:
    found = []
    for vector in json_text.elements(json_text.value((DATA / "bindings.json").read_text())):
        told, binding = json.loads(vector), dict(json_text.members(vector))["binding"]
        got = binding_hash(binding)
        found.append("" if got == told["bindingHash"] else f"{binding}: {got}")
    return found
