"""Random questions, answered by this package and by the operator's code."""

import json
import subprocess
from collections.abc import Iterator
from random import Random
from typing import Any

from . import json_text
from .canonical import canonical_text
from .change import Write, effect, is_noop
from .command import command_hash
from .objects import KINDS, ObjectMaker
from .refusal import Refused
from .spelling import Speller
from .vectors import shown

KEY = bytes([7] * 32)
_BATCH = 2_000
_WRITERS = [None, None, "FluxKustomize", "FluxHelm", "ArgoCd", "Helm"]
_SUBRESOURCES = ["", "", "", "", "status", "eviction", "scale"]
Question = dict[str, Any]


def disagreements(other: list[str], seed: int, count: int) -> Iterator[str]:
    """The questions to which the two give different answers. `other` is the command that answers for the operator."""
    random = Random(seed)
    while count > 0:
        questions = [question(random) for _ in range(min(count, _BATCH))]
        count -= len(questions)
        lines = "".join(json.dumps(asked) + "\n" for asked in questions)
        told = subprocess.run(other, input=lines, capture_output=True, check=True, encoding="utf-8").stdout
        for asked, line in zip(questions, told.removesuffix("\n").split("\n"), strict=True):
            mine, theirs = answer(asked), json.loads(line)
            if not _agree(asked, mine, theirs):
                yield f"{json.dumps(asked)}\n  Python: {json.dumps(mine)}\n  Rust:   {json.dumps(theirs)}"


def question(random: Random) -> Question:
    """A random question."""
    way = random.random()
    speller = Speller(random, random.choice([0, 0, 0.02, 0.2]))
    if way < 0.1:
        return {"canonical": speller.number()}
    maker = ObjectMaker(random, *random.choice(KINDS))
    if way < 0.2:
        return {"canonical": speller.text(maker.value(6))}
    if way < 0.25:
        return {"command": speller.text(maker.value() if random.random() < 0.1 else {"kind": "x"} | maker.object())}
    return {"write": _write(random, maker, speller)}


def _write(random: Random, maker: ObjectMaker, speller: Speller) -> Question:
    old = maker.object()
    operation = random.choice(["CREATE", "CREATE", "UPDATE", "UPDATE", "UPDATE", "UPDATE", "DELETE", "CONNECT"])
    plain = Speller(random, 0)
    patterns = [maker.pattern(old) for _ in range(random.choice([0, 0, 0, 1, 2, 3]))]
    subresource = random.choice(_SUBRESOURCES)
    return {
        "operation": operation,
        "apiVersion": maker.names["apiVersion"],
        "kind": "Eviction" if subresource == "eviction" and random.random() < 0.5 else maker.names["kind"],
        "subresource": subresource,
        "writer": random.choice(_WRITERS),
        "ignore": patterns,
        "old": None if operation in ("CREATE", "CONNECT") else random.choice([plain, speller]).text(old),
        "new": None if operation == "DELETE" else random.choice([plain, speller]).text(maker.changed(old)),
    }


def answer(asked: Question) -> Any:
    """What this package answers."""
    (about, of), = asked.items()
    match about:
        case "canonical":
            return _or_refused(lambda: canonical_text(of))
        case "command":
            return _or_refused(lambda: command_hash(of))
    return _or_refused(lambda: _of_write(of))


def _of_write(of: Question) -> Any:
    old, new = (None if of[side] is None else json_text.value(of[side]) for side in ("old", "new"))
    write = Write(
        of["operation"],
        of["apiVersion"],
        of["kind"],
        of["subresource"],
        of["writer"],
        tuple(of["ignore"]),
        old,
        new,
    )
    return {"noop": _or_refused(lambda: is_noop(write)), "effect": _or_refused(lambda: shown(effect(write, KEY)))}


def _or_refused(find: Any) -> Any:
    try:
        return find()
    except Refused as refused:
        return {"refused": str(refused)}


def _agree(asked: Question, mine: Any, theirs: Any) -> bool:
    """Whether the answers are the same. What is refused may be refused earlier, and in other words."""
    if _is_refused(mine) != _is_refused(theirs):
        return _is_unreadable(asked)
    if isinstance(mine, dict) and "noop" in mine:
        return all(_agree(asked, mine[part], theirs[part]) for part in ("noop", "effect"))
    return _is_refused(mine) or mine == theirs


def _is_refused(answered: Any) -> bool:
    return isinstance(answered, dict) and "refused" in answered


def _is_unreadable(asked: Question) -> bool:
    """Whether one of the objects holds what is refused anywhere."""
    objects = [asked["write"][side] for side in ("old", "new")] if "write" in asked else list(asked.values())
    return any(_is_refused(_or_refused(lambda: canonical_text(text))) for text in objects if text is not None)
