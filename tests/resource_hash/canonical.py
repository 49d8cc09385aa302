"""Section 1: values and their canonical form."""

import re
from typing import TypeAlias

from . import json_text
from .refusal import Refused

Value: TypeAlias = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

MOST_DEPTH = 128
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def canonical_text(text: str) -> str:
    """The canonical form of the value that `text` holds."""
    return canonical(parse(json_text.value(text)))


def parse(text: str, depth: int = 0) -> Value:
    """The value that a JSON text without white space around it holds."""
    first = text[0]
    if first in "{[":
        if depth == MOST_DEPTH:
            raise Refused("nested deeper than 128 maps and lists")
        if first == "{":
            return {key: parse(member, depth + 1) for key, member in json_text.members(text)}
        return [parse(element, depth + 1) for element in json_text.elements(text)]
    if first == '"':
        return json_text.unescape(text)
    if first in "tfn":
        return {"true": True, "false": False, "null": None}[text]
    return _number(text)


def canonical(value: Value) -> str:
    """The one text of a value."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            return "{" + ",".join(f"{_string(key)}:{canonical(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ",".join(map(canonical, value)) + "]"
        case str():
            return _string(value)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value)
        case float():
            return _double(value)


def _string(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text) + '"'


def _number(text: str) -> int | float:
    if re.fullmatch(r"-?[0-9]{1,20}", text) and _is_integer(integer := int(text)):
        return integer
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Refused(f"number `{text}` is out of range")
    return int(number) if number.is_integer() and _is_integer(int(number)) else number


def _is_integer(number: int) -> bool:
    return -(2**63) <= number < 2**64


def _double(number: float) -> str:
    """ECMAScript's Number::toString, of a double that is no integer of `_is_integer`."""
    sign, digits, exponent = re.fullmatch(r"(-?)([0-9.]+)(?:e(.+))?", repr(number)).groups()
    whole, _, fraction = digits.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    return sign + _place(digits, point)


def _place(digits: str, point: int) -> str:
    """The number 0.DIGITS times ten to the power of `point`, as ECMAScript writes it."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
    return f"{mantissa}e{point - 1:+d}"
