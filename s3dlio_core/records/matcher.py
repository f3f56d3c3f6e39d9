"""Regular expressions that came with stored data: matched in time proportional to the text, whatever they say.

Python's `re` goes back and tries again, which a hostile expression makes take for ever. This one follows all ways at
once, as a set of states, and remembers where each set leads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import _constants as words  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from s3dlio_core.errors import InvalidArgumentError

__all__ = ["bounded_search"]

_MOST_TEXT = 1000  # characters of an expression
_MOST_STATES = 500
_MOST_REMEMBERED = 1000
_ACCEPT = -1
_FLAGS = re.UNICODE | re.IGNORECASE | re.DOTALL | re.VERBOSE
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    words.CATEGORY_DIGIT: str.isdecimal,
    words.CATEGORY_NOT_DIGIT: lambda c: not c.isdecimal(),
    words.CATEGORY_SPACE: str.isspace,
    words.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    words.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    words.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
}
_Takes = Callable[[str], bool]  # whether a character is one of those meant
_Holds = Callable[[str, str, bool], bool]  # of the characters before and behind a place, and whether nothing follows


def bounded_search(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds `pattern`, as `re.compile(pattern).search` says; in time proportional to the text.

    Raises:
        InvalidArgumentError: No regular expression, or one that needs going back: look-around, back references; or one
            of more than 1000 characters or 500 steps.
    """
    if len(pattern) > _MOST_TEXT:
        raise InvalidArgumentError(f"the pattern has {len(pattern)} characters; expected at most {_MOST_TEXT}")
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidArgumentError(f"the pattern {pattern!r} is no regular expression: {error}") from error
    flags = tree.state.flags
    if flags & ~_FLAGS:
        raise InvalidArgumentError(f"the pattern {pattern!r} has flags beyond i, s, u and x")
    return _Machine(pattern, tree, flags).search


class _Machine:
    """States by number: one takes a character and leads on, or leads on at once, where what it asks for holds."""

    def __init__(self, pattern: str, tree: Any, flags: int) -> None:
        self._pattern = pattern
        self._takes: list[_Takes | None] = []
        self._holds: list[_Holds | None] = []
        self._ways: list[tuple[int, ...]] = []
        self._places_matter = False
        self._known: dict[Any, frozenset[int]] = {}
        self._start = self._add(tree, flags, _ACCEPT)

    def search(self, text: str) -> bool:
        """Whether the text holds the pattern somewhere."""
        here = frozenset([self._start])
        before = ""
        for position, character in enumerate(text):
            last = position == len(text) - 1
            # What a place between two characters is like is remembered only where the pattern asks.
            at = (before, last) if self._places_matter else None
            key = (here, character, at)
            after = self._known.get(key)
            if after is None:
                if len(self._known) >= _MOST_REMEMBERED:
                    self._known.clear()
                after = self._known[key] = self._after(here, before, character, last)
            if _ACCEPT in after:
                return True
            here, before = after, character
        return _ACCEPT in self._closure(here, before, "", True)

    def _after(self, here: frozenset[int], before: str, character: str, last: bool) -> frozenset[int]:
        reached = self._closure(here, before, character, last)
        if _ACCEPT in reached:
            return frozenset([_ACCEPT])
        following = {self._start}  # the pattern may begin anywhere
        for state in reached:
            takes = self._takes[state]
            if takes is not None and takes(character):
                following.update(self._ways[state])
        return frozenset(following)

    def _closure(self, states: frozenset[int], before: str, following: str, last: bool) -> set[int]:
        """All that is reached without taking a character."""
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in reached:
                continue
            reached.add(state)
            if state == _ACCEPT or self._takes[state] is not None:
                continue
            holds = self._holds[state]
            if holds is None or holds(before, following, last):
                waiting += self._ways[state]
        return reached

    # ---- building; each gives the state where it begins, given the one that follows ----
    def _state(self, ways: tuple[int, ...], takes: _Takes | None = None, holds: _Holds | None = None) -> int:
        if len(self._ways) >= _MOST_STATES:
            raise InvalidArgumentError(f"the pattern {self._pattern!r} has more than {_MOST_STATES} steps")
        self._takes.append(takes)
        self._holds.append(holds)
        self._ways.append(ways)
        return len(self._ways) - 1

    def _add(self, items: Any, flags: int, then: int) -> int:
        for item in reversed(list(items)):
            then = self._add_one(item[0], item[1], flags, then)
        return then

    def _add_one(self, kind: Any, value: Any, flags: int, then: int) -> int:
        takes = _taking(kind, value, flags)
        if takes is not None:
            return self._state((then,), takes)
        if kind is words.SUBPATTERN:
            _, added, removed, items = value
            if (added | removed) & ~_FLAGS:
                raise self._refused("a flag beyond i, s, u and x")
            return self._add(items, (flags | added) & ~removed, then)
        if kind is words.BRANCH:
            return self._state(tuple(self._add(items, flags, then) for items in value[1]))
        if kind in (words.MAX_REPEAT, words.MIN_REPEAT):
            least, most, repeated = value
            return self._repeat(least, most, repeated, flags, then)
        if kind is words.AT and value in _PLACES:
            self._places_matter = True
            return self._state((then,), holds=_PLACES[value])
        raise self._refused(str(kind).lower())

    def _repeat(self, least: int, most: Any, items: Any, flags: int, then: int) -> int:
        if most is words.MAXREPEAT:
            loop = self._state(())
            self._ways[loop] = (self._add(items, flags, loop), then)
            begin = loop
        else:
            begin = then
            for _ in range(most - least):
                begin = self._state((self._add(items, flags, begin), then))
        for _ in range(least):
            begin = self._add(items, flags, begin)
        return begin

    def _refused(self, what: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"the pattern {self._pattern!r} holds {what}; expected characters, classes, groups, choices and repetitions"
        )


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _at_end(before: str, following: str, last: bool) -> bool:
    return not following or (last and following == "\n")


_PLACES: dict[Any, _Holds] = {
    words.AT_BEGINNING: lambda before, following, last: not before,
    words.AT_BEGINNING_STRING: lambda before, following, last: not before,
    words.AT_END: _at_end,
    words.AT_END_STRING: lambda before, following, last: not following,
    words.AT_BOUNDARY: lambda before, following, last: _is_word(before) != _is_word(following),
}


def _taking(kind: Any, value: Any, flags: int) -> _Takes | None:
    """What takes one character; None: something else."""
    if kind is words.ANY:
        return (lambda c: True) if flags & re.DOTALL else (lambda c: c != "\n")
    if kind is words.LITERAL:
        return _one_of([(words.LITERAL, value)], False, flags)
    if kind is words.NOT_LITERAL:
        return _one_of([(words.LITERAL, value)], True, flags)
    if kind is words.IN:
        negated = value[0][0] is words.NEGATE
        return _one_of(value[1:] if negated else value, negated, flags)
    return None


def _one_of(items: Any, negated: bool, flags: int) -> _Takes:
    def among(character: str) -> bool:
        for kind, value in items:
            if kind is words.LITERAL:
                found = ord(character) == value
            elif kind is words.RANGE:
                found = value[0] <= ord(character) <= value[1]
            else:
                found = _CATEGORIES[value](character)
            if found:
                return True
        return False

    def takes(character: str) -> bool:
        spelt = {character}
        if flags & re.IGNORECASE:
            spelt |= {other for other in (character.lower(), character.upper()) if len(other) == 1}
        return any(map(among, spelt)) != negated

    return takes
