"""Reads a pickle as data: a machine that knows containers, numbers and strings, and the few names it is given.

Python's own unpickler imports and calls what the pickle names, and lets it set attributes of whatever lies on its
stack. This one can call nothing but the functions of its table, and needs memory in proportion to the pickle's size:
a memo index, a length or a nesting in the pickle never makes it reserve anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Name", "PickleRefused", "UnknownName", "check_depth", "read_pickle"]


class PickleRefused(ValueError):
    """The pickle is damaged, or wants more than data."""


class UnknownName(PickleRefused):
    """The pickle names something it was not given."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a name in a pickle stands for.

    Attributes:
        call: Gives the object for a tuple of arguments; None: it cannot be called.
        new: Gives an empty object, to be filled by `build`; None: there are no such objects.
        build: Fills an object that `new` made with its pickled state.
    """

    call: Callable[..., Any] | None = None
    new: Callable[[], Any] | None = None
    build: Callable[[Any, Any], None] | None = None


# What may be a key of a dict or an element of a set. No tuples, nor what holds some: hashing a deep one exhausts the C
# stack, which no exception tells.
_KEYS = (str, int, float, bytes, type(None))
_DEPTH = 32  # of what a pickle may nest; checkpoints' metadata need ten at most
_MARK = object()


def read_pickle(
    data: bytes, names: Mapping[tuple[str, str], Any], keys: Mapping[type, Callable[[Any], bool]] | None = None
) -> tuple[Any, int]:
    """The object in `data`, and the number of bytes it takes.

    Args:
        names: (module, name) -> a Name, or the value itself where the name is a constant.
        keys: Types that may be keys of dicts, besides str, int, float, bytes and None; and what tells of one whether it
            may: that it holds nothing that is hashed by recursion.
    Raises:
        PickleRefused: Anything that is no pickle of these names, of protocols 2 to 5.
    """
    machine = _Machine(data, names, keys or {})
    try:
        return machine.run(), machine.position
    except PickleRefused:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error, RuntimeError) as error:
        raise PickleRefused(
            f"the pickle breaks off or contradicts itself at byte {machine.position}: {error}"
        ) from error


def check_depth(*roots: Any) -> None:
    """PickleRefused where something read_pickle() gave holds itself or is nested deeper than any metadata: what would
    exhaust the C stack of whoever hashes, compares or prints it.
    """
    level = [*roots]
    for _ in range(_DEPTH):
        # Once a level however often it is held: levels cannot grow beyond what there is.
        level = list({id(inner): inner for outer in level for inner in _held_by(outer)}.values())
        if not level:
            return
    raise PickleRefused(f"its objects are nested more than {_DEPTH} deep, or hold themselves")


def _held_by(outer: Any) -> Iterable[Any]:
    if isinstance(outer, dict):
        held: Iterable[Any] = outer.values()  # keys are plain
    elif isinstance(outer, (list, tuple, set)):
        held = outer
    else:
        held = vars(outer).values() if hasattr(outer, "__dict__") else ()
    return (inner for inner in held if not isinstance(inner, _KEYS))


class _Machine:
    def __init__(
        self, data: bytes, names: Mapping[tuple[str, str], Any], keys: Mapping[type, Callable[[Any], bool]]
    ) -> None:
        self.position = 0
        self._data = data
        self._names = names
        self._keys = keys
        self._builders = {
            type(name.new()): name.build
            for name in names.values()
            if isinstance(name, Name) and name.new and name.build
        }
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        data, stack, memo = self._data, self._stack, self._memo
        while True:
            opcode = data[self.position]
            # Most of a metadata's opcodes are these two; a call for each would double the time.
            if opcode == _MEMOIZE:
                memo[len(memo)] = stack[-1]
                self.position += 1
            elif opcode == _BINGET:
                stack.append(memo[data[self.position + 1]])
                self.position += 2
            elif opcode == _STOP:
                self.position += 1
                return self._only(stack)
            else:
                self.position += 1
                operation = _OPERATIONS.get(opcode)
                if operation is None:
                    place = self.position - 1
                    raise PickleRefused(f"opcode {opcode:#04x} at byte {place} is none that plain data needs")
                operation(self, stack)

    def _only(self, stack: list[Any]) -> Any:
        if len(stack) != 1 or stack[0] is _MARK:
            raise PickleRefused(f"{len(stack)} objects are left at the pickle's end; expected one")
        return stack[0]

    # ---- bytes of the pickle ----
    def take(self, size: int) -> bytes:
        piece = self._data[self.position : self.position + size]
        if len(piece) != size:
            raise PickleRefused(f"the pickle ends at byte {len(self._data)}, in the middle of {size} bytes")
        self.position += size
        return piece

    def byte(self) -> int:
        value = self._data[self.position]
        self.position += 1
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        end = self._data.index(b"\n", self.position)
        return self.take(end + 1 - self.position)[:-1].decode("ascii")

    # ---- the stack ----
    def push_counted(self, size: int, make: Callable[[bytes], Any]) -> None:
        """An object of a length, given in `size` bytes, and so many bytes."""
        self._stack.append(make(self.take(self.number(size))))

    def to_mark(self) -> list[Any]:
        """What lies above the topmost mark; it and the mark are taken off."""
        stack = self._stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                items = stack[place + 1 :]
                del stack[place:]
                return items
        raise PickleRefused(f"no mark is set at byte {self.position}")

    def take_off(self, count: int) -> tuple[Any, ...]:
        items = tuple(self._stack[-count:])
        if len(items) != count or _MARK in items:
            raise PickleRefused(f"{count} objects are needed at byte {self.position}; found fewer")
        del self._stack[-count:]
        return items

    # ---- memo ----
    def remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def recall(self, place: int) -> None:
        self._stack.append(self._memo[place])

    # ---- containers ----
    def append(self, items: list[Any] | tuple[Any, ...]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise PickleRefused(f"a {type(target).__name__} is appended to at byte {self.position}")
        target.extend(items)

    def add(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise PickleRefused(f"a {type(target).__name__} is added to at byte {self.position}")
        for item in items:
            self._check_key(item)
        target.update(items)

    def set_items(self, items: list[Any] | tuple[Any, ...]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleRefused(f"items are set in a {type(target).__name__} at byte {self.position}")
        for place in range(0, len(items), 2):
            self._check_key(items[place])
            target[items[place]] = items[place + 1]

    def _check_key(self, key: Any) -> None:
        if isinstance(key, _KEYS):
            return
        is_sound = self._keys.get(type(key))
        if is_sound is None or not is_sound(key):
            raise PickleRefused(f"a {type(key).__name__} is used as a key at byte {self.position}")

    # ---- names ----
    def push_name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleRefused(f"a name at byte {self.position} is no text")
        try:
            self._stack.append(self._names[module, name])
        except KeyError:
            message = f"the pickle names {module[:200]}.{name[:200]}, which is no part of a checkpoint's metadata"
            raise UnknownName(message) from None

    def call(self) -> None:
        name, arguments = self.take_off(2)
        if not isinstance(name, Name) or name.call is None or type(arguments) is not tuple:
            raise PickleRefused(f"a {type(name).__name__} is called at byte {self.position}")
        self._stack.append(name.call(*arguments))

    def new(self) -> None:
        name, arguments = self.take_off(2)
        if not isinstance(name, Name) or name.new is None or arguments != ():
            raise PickleRefused(f"an object of {type(name).__name__} is made at byte {self.position}")
        self._stack.append(name.new())

    def build(self) -> None:
        target, state = self.take_off(2)
        builder = self._builders.get(type(target))
        if builder is None:
            raise PickleRefused(f"the state of a {type(target).__name__} is set at byte {self.position}")
        builder(target, state)
        self._stack.append(target)


def _signed(piece: bytes) -> int:
    return int.from_bytes(piece, "little", signed=True)


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "surrogatepass")


def _refuse_protocol(machine: _Machine) -> None:
    protocol = machine.number(1)
    if not 2 <= protocol <= 5:
        raise PickleRefused(f"the pickle is of protocol {protocol}; expected 2 to 5")


_STOP, _MEMOIZE, _BINGET = ord("."), 0x94, ord("h")
_Operation = Callable[[_Machine, list[Any]], Any]
_OPERATIONS: dict[int, _Operation] = {
    0x80: lambda m, s: _refuse_protocol(m),
    0x95: lambda m, s: m.take(8),  # a frame: only a hint for reading ahead
    # numbers, text, bytes
    ord("N"): lambda m, s: s.append(None),
    0x88: lambda m, s: s.append(True),
    0x89: lambda m, s: s.append(False),
    ord("J"): lambda m, s: s.append(_signed(m.take(4))),
    ord("K"): lambda m, s: s.append(m.byte()),
    ord("M"): lambda m, s: s.append(m.number(2)),
    0x8A: lambda m, s: s.append(_signed(m.take(m.byte()))),
    0x8B: lambda m, s: m.push_counted(4, _signed),
    ord("G"): lambda m, s: s.append(struct.unpack(">d", m.take(8))[0]),
    0x8C: lambda m, s: s.append(_text(m.take(m.byte()))),
    ord("X"): lambda m, s: m.push_counted(4, _text),
    0x8D: lambda m, s: m.push_counted(8, _text),
    ord("C"): lambda m, s: s.append(m.take(m.byte())),
    ord("B"): lambda m, s: m.push_counted(4, bytes),
    0x8E: lambda m, s: m.push_counted(8, bytes),
    # containers
    ord("("): lambda m, s: s.append(_MARK),
    ord("]"): lambda m, s: s.append([]),
    ord(")"): lambda m, s: s.append(()),
    ord("}"): lambda m, s: s.append({}),
    0x8F: lambda m, s: s.append(set()),
    ord("a"): lambda m, s: m.append(m.take_off(1)),
    ord("e"): lambda m, s: m.append(m.to_mark()),
    ord("s"): lambda m, s: m.set_items(m.take_off(2)),
    ord("u"): lambda m, s: m.set_items(m.to_mark()),
    0x90: lambda m, s: m.add(m.to_mark()),
    ord("t"): lambda m, s: s.append(tuple(m.to_mark())),
    0x85: lambda m, s: s.append(m.take_off(1)),
    0x86: lambda m, s: s.append(m.take_off(2)),
    0x87: lambda m, s: s.append(m.take_off(3)),
    # memo
    ord("q"): lambda m, s: m.remember(m.byte()),
    ord("r"): lambda m, s: m.remember(m.number(4)),
    ord("j"): lambda m, s: m.recall(m.number(4)),
    # names
    ord("c"): lambda m, s: m.push_name(m.line(), m.line()),
    0x93: lambda m, s: m.push_name(*m.take_off(2)),
    ord("R"): lambda m, s: m.call(),
    0x81: lambda m, s: m.new(),
    ord("b"): lambda m, s: m.build(),
}
