"""How deep a pickle nests tuples, told from its bytes before anything reads it.

Python hashes a tuple by recursion on the C stack, and nothing counts how deep: one that is nested deep enough, used as
a key, ends the process. No exception can be had then, in torch's weights-only reader as little as in pickle's own.
"""

from __future__ import annotations

import pickletools
from typing import Any

from s3dlio_core.checkpoint.plain_pickle import PickleRefused

__all__ = ["NestedTooDeep", "check_tuples", "check_tuples_of"]

_MOST = 10_000  # takes less than 2 MB of stack; Python's own pickler writes a tenth of it before it gives up
# What these leave is no deeper than what they took: the container or object was there, and is filled.
_FILLING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD", "DUP", "POP", "POP_MARK", "STOP"}
_STORING = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALLING = {"GET", "BINGET", "LONG_BINGET"}
_MARK = -1


class NestedTooDeep(PickleRefused):
    """To read the pickle might exhaust the C stack."""


def check_tuples(pickled: bytes) -> None:
    """NestedTooDeep where tuples are nested deeper than is safe; PickleRefused where that cannot be told."""
    # At most as deep as there are bytes that make one; to count those takes no time.
    most = sum(map(pickled.count, (b"\x85", b"\x86", b"\x87"))) + min(pickled.count(b"("), pickled.count(b"t"))
    if most > _MOST:
        check_tuples_of(pickled)


def check_tuples_of(source: Any) -> None:
    """As check_tuples(), without the short way, of the pickle at the place where a binary file stands, or of bytes."""
    stack: list[int] = []  # how deep each object on the pickle's own stack is nested
    memo: dict[int, int] = {}
    try:
        for opcode, argument, _ in pickletools.genops(source):
            name = opcode.name
            place: Any = argument  # in the memo, for these opcodes
            if name in _STORING:
                memo[len(memo) if name == "MEMOIZE" else int(place)] = stack[-1]
            elif name in _RECALLING:
                stack.append(memo[int(place)])
            elif name == "MARK":
                stack.append(_MARK)
            else:
                depth = _taken_off(stack, opcode.stack_before)
                depth += bool(opcode.stack_before) and name not in _FILLING
                if depth > _MOST:
                    raise NestedTooDeep(f"its tuples are nested more than {_MOST} deep")
                stack += [depth] * len(opcode.stack_after)
    except NestedTooDeep:
        raise
    except (LookupError, ValueError) as error:
        raise PickleRefused(f"the pickle breaks off or contradicts itself: {error}") from error


def _taken_off(stack: list[int], kinds: list[Any]) -> int:
    """The depth of the deepest of what an opcode takes off the stack."""
    depth = 0
    for kind in reversed(kinds):
        if kind is pickletools.markobject:
            continue
        if kind is pickletools.stackslice:
            while (top := stack.pop()) != _MARK:
                depth = max(depth, top)
        else:
            depth = max(depth, stack.pop())
    return depth
