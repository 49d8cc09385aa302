"""Section 2: the granules of an object."""

from typing import TypeAlias

from . import json_text
from .refusal import Refused

Path: TypeAlias = tuple[str, ...]

_SPLIT_METADATA = ("labels", "annotations")
_SPLIT_ROOT = ("spec", "status", "data", "binaryData")


def granules(object_text: str) -> dict[Path, str]:
    """The granules' texts by their paths."""
    found: dict[Path, str] = {}
    for field, text in _map(json_text.value(object_text), "the object"):
        if field == "metadata":
            found |= _metadata(text)
        elif field in _SPLIT_ROOT and text[0] == "{" and (keys := json_text.members(text)):
            found |= {(field, key): value for key, value in keys}
        else:
            found[(field,)] = text
    return found


def pointer(path: tuple[str | int, ...]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in path)


def _metadata(text: str) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for field, value in _map(text, "/metadata", absent="null"):
        if field in _SPLIT_METADATA:
            keys = _map(value, f"/metadata/{field}", absent="null")
            found |= {("metadata", field, key): of_key for key, of_key in keys}
        else:
            found[("metadata", field)] = value
    return found


def _map(text: str, place: str, absent: str = "") -> list[tuple[str, str]]:
    if text == absent:
        return []
    if text[0] != "{":
        raise Refused(f"{place} is no map")
    return json_text.members(text)
