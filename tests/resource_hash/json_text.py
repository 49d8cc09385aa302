"""JSON text (RFC 8259), one level at a time: what is not looked into needs only to be JSON."""

import re

from .refusal import Refused

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|" + _STRING.pattern)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CLOSING = {"{": "}", "[": "]"}


def value(text: str) -> str:
    """The text of the one value that `text` holds, without the white space around it."""
    start = _space(text, 0)
    end = _end(text, start)
    if _space(text, end) != len(text):
        raise Refused("the text cannot be read: more than one value")
    return text[start:end]


def members(map_text: str) -> list[tuple[str, str]]:
    """The keys of a map, unescaped, and the texts of their values. A key named twice is refused."""
    found: dict[str, str] = {}
    for key, text in _items(map_text):
        name = unescape(key)
        if name in found:
            raise Refused(f"duplicate key `{name}`")
        found[name] = text
    return list(found.items())


def elements(list_text: str) -> list[str]:
    """The texts of the elements of a list."""
    return [text for _, text in _items(list_text)]


def unescape(string_text: str) -> str:
    """What a string between its quotes says. A lone surrogate is refused."""

    def character(escape: re.Match[str]) -> str:
        code, short = escape.groups()
        return chr(int(code, 16)) if code else _SHORT.get(short, short)

    units = _ESCAPE.sub(character, string_text[1:-1])
    try:
        return units.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Refused("the text cannot be read: a lone surrogate") from None


def _items(text: str) -> list[tuple[str, str]]:
    """The items of a map with their keys, or of a list with empty ones. The text is known to be JSON."""
    found = []
    at = _space(text, 1)
    while text[at] not in "]}":
        key = ""
        if text[0] == "{":
            key_end = _end(text, at)
            key = text[at:key_end]
            at = _space(text, _space(text, key_end) + 1)
        end = _end(text, at)
        found.append((key, text[at:end]))
        at = _space(text, end)
        if text[at] == ",":
            at = _space(text, at + 1)
    return found


def _space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()


def _end(text: str, at: int) -> int:
    """Where the value that begins at `at` ends. However deep it is, nothing is called for each level."""
    open_brackets: list[str] = []
    while True:
        bracket = text[at : at + 1]
        if bracket and bracket in "{[":
            open_brackets.append(_CLOSING[bracket])
            at = _space(text, at + 1)
            if text[at : at + 1] != open_brackets[-1]:
                at = _key(text, at, open_brackets)
                continue
            open_brackets.pop()
            at += 1
        else:
            at = _match(_SCALAR, text, at)
        while open_brackets:
            at = _space(text, at)
            if text[at : at + 1] == ",":
                at = _key(text, _space(text, at + 1), open_brackets)
                break
            if text[at : at + 1] != open_brackets.pop():
                raise _unreadable(at)
            at += 1
        else:
            return at


def _key(text: str, at: int, open_brackets: list[str]) -> int:
    """Past the key and its colon, where a map is open."""
    if open_brackets[-1] == "]":
        return at
    at = _space(text, _match(_STRING, text, at))
    if text[at : at + 1] != ":":
        raise _unreadable(at)
    return _space(text, at + 1)


def _match(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        raise _unreadable(at)
    return found.end()


def _unreadable(at: int) -> Refused:
    return Refused(f"the text cannot be read: character {at}")
