"""Sections 6 and 7: the command hash and the binding hash."""

from . import json_text
from .canonical import canonical, parse
from .change import sha256
from .refusal import Refused

_LEFT_OUT = ("apiVersion", "kind", "preconditions", "dryRun")


def command_hash(options: str | None) -> str:
    """The hash of the options of a CONNECT or a deletion."""
    value = parse(json_text.value(options or "{}"))
    if not isinstance(value, dict):
        raise Refused("the options are no map")
    kept = {field: value[field] for field in value if field not in _LEFT_OUT}
    return sha256("countersign.dev/command-hash/v1\n" + canonical(kept))


def binding_hash(binding: str) -> str:
    """The hash of a ticket's binding, a map of strings."""
    return sha256("countersign.dev/binding/v1\n" + canonical(parse(json_text.value(binding))))
