"""One value in many spellings: white space, escapes, the order of keys, numbers, and now and then what is refused."""

import json
from random import Random

from .canonical import Value

_NUMBERS = (
    "-0 0.0 1e0 10e-1 9007199254740993 -9007199254740993 9223372036854775808 -9223372036854775808 -9223372036854775809 "
    "18446744073709551615 18446744073709551616 18446744073709551615.0 9007199254740993.0 1e20 1e21 123456789012345678901 "
    "1e-6 1e-7 0.000001 1.5e-9 5e-324 2e-324 1e-400 4.9406564584124654e-324 2.2250738585072011e-308 1.7976931348623157e308 "
    "1.7976931348623158e308 333333333.33333329 0.1 0.30000000000000004 100000000000000000000000 1E+2 -1.50 1e5 "
    "2.5 4.35 0.5 1152921504606846976.0 12345678901234567890.0 99999999999999990000 9.5367431640625e-7"
).split()
_BEYOND = ["1e400", "-1e400", "1.7976931348623159e308", "1" + "0" * 309, "1e99999999999999999999"]
_BROKEN = ['"\\ud800"', '"\\udc00\\ud800"', '"\\x"', "01", "1.", "NaN", "+1", "[1,]", '{"a":1,}', '{"a" 1}', "{1:2}", "tru"]
_ODD_TEXTS = ["", "*", "/", "~1", "a/b~c", "é", "e\u0301", "\ufb33", "😀", "\u2028", "\x7f", "\x00", "\x1f", '"', "\\", "\n"]


class Speller:
    """Writes values as texts."""

    def __init__(self, random: Random, oddity: float) -> None:
        self.random = random
        self.oddity = oddity

    def text(self, value: Value) -> str:
        """A JSON text of the value; seldom, where `oddity` is not 0, of none or of another."""
        if self._is_odd():
            return self._oddity(value)
        match value:
            case dict():
                return self._map(value)
            case list():
                return self._list([self.text(element) for element in value], "[]")
            case str():
                return self._string(value)
            case _:
                return json.dumps(value)

    def number(self) -> str:
        """A number at an edge, or any double or integer."""
        bits = self.random.getrandbits
        ways = [
            lambda: self.random.choice(_NUMBERS),
            lambda: repr(self.random.uniform(-1, 1) * 10.0 ** self.random.randint(-320, 307)),
            lambda: str(bits(64) - self.random.choice([0, 1 << 63])),
            lambda: f"{self.random.choice('+-').strip('+')}{bits(70)}.{bits(20)}e{self.random.randint(-330, 280)}",
        ]
        return self.random.choice(ways)()

    def _oddity(self, value: Value) -> str:
        ways = [self.number] * 8 + [
            lambda: self._string(self.random.choice(_ODD_TEXTS)),
            lambda: "null",
            lambda: self.random.choice(_BEYOND + _BROKEN),
            lambda: "[" * (depth := self.random.choice([100, 126, 127, 128, 129, 5000])) + "]" * depth,
            lambda: self._map(value, twice=True) if isinstance(value, dict) else json.dumps(value),
        ]
        return self.random.choice(ways)()

    def _map(self, value: dict[str, Value], twice: bool = False) -> str:
        keys = list(value)
        if self.oddity and self.random.random() < 0.5:
            self.random.shuffle(keys)
        if twice and keys:
            keys.append(self.random.choice(keys))
        space = self._space()
        return self._list([f"{self._string(key)}{space}:{space}{self.text(value[key])}" for key in keys], "{}")

    def _list(self, texts: list[str], brackets: str) -> str:
        space = self._space()
        return brackets[0] + space + f"{space},".join(texts) + space + brackets[1]

    def _string(self, text: str) -> str:
        spelled = json.dumps(text, ensure_ascii=self.random.random() < 0.5)
        if self._is_odd() and text.isalnum() and text.isascii():
            return '"' + "".join(f"\\u{ord(letter):04X}" for letter in text) + '"'
        return spelled.replace("/", "\\/") if self._is_odd() else spelled

    def _space(self) -> str:
        return self.random.choice([" ", "\n", "\t \r"]) if self._is_odd() else ""

    def _is_odd(self) -> bool:
        return self.random.random() < self.oddity
