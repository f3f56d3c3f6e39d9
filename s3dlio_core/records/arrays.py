"""Arrays by dtype and shape: how an index spells them, and how bytes become one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from s3dlio_core.errors import RecordError

if TYPE_CHECKING:
    import numpy

__all__ = ["ArrayForm", "array_of", "item_bytes"]

_DTYPE = re.compile(r"(?P<order>[<>=|])?(?P<kind>[biufcmMSU])(?P<size>[0-9]{1,9})(\[[0-9]{0,9}[A-Za-z]{1,7}\])?")
_SIZES = {"b": {1}, "i": {1, 2, 4, 8}, "u": {1, 2, 4, 8}, "f": {2, 4, 8, 16}, "c": {8, 16, 32}, "m": {8}, "M": {8}}
_FORM = re.compile(r"([^ ]+) ((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)")
_MOST_DIMENSIONS = 64  # numpy's own limit
_MOST_BYTES = 1 << 62


class ArrayForm(NamedTuple):
    """A dtype as numpy spells it ("<f4"), and a shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * item_bytes(self.dtype)

    def __str__(self) -> str:
        return f"{self.dtype} {','.join(map(str, self.shape))}"

    @classmethod
    def parse(cls, text: str) -> ArrayForm:
        """The reverse of str().

        Raises:
            RecordError: It is none.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise RecordError(f"the index describes an array as {text[:80]!r}; expected a dtype and a shape")
        return cls.checked(found[1], [int(extent) for extent in found[2].split(",") if extent])

    @classmethod
    def checked(cls, dtype: str, shape: Sequence[int]) -> ArrayForm:
        """A form that numpy can make an array of.

        Raises:
            RecordError: An unknown dtype, or a shape no memory holds.
        """
        item_bytes(dtype)
        # An empty dimension must not hide that the others are absurd.
        elements = 1
        for extent in shape[: _MOST_DIMENSIONS + 1]:
            elements = min(elements * max(extent, 1), _MOST_BYTES)
        if len(shape) > _MOST_DIMENSIONS or elements * item_bytes(dtype) >= _MOST_BYTES:
            raise RecordError(f"the array has the shape {str(tuple(shape))[:80]}, which no memory holds")
        return cls(dtype, tuple(shape))


def item_bytes(dtype: str) -> int:
    """Bytes of one element of a dtype as numpy spells it.

    Raises:
        RecordError: Not one of a fixed, plain kind: objects, structures, unknown sizes.
    """
    if dtype.endswith("O"):
        raise RecordError("the array holds Python objects, which only pickle reads; expected numbers or fixed strings")
    found = _DTYPE.fullmatch(dtype)
    size = int(found["size"]) if found else 0
    if found is None or size == 0 or size not in _SIZES.get(found["kind"], {size}):
        raise RecordError(f"the array has the dtype {dtype[:80]!r}; expected numbers or fixed strings, such as '<f4'")
    return 4 * size if found["kind"] == "U" else size


def array_of(data: Any, form: ArrayForm, *, fortran_order: bool = False) -> numpy.ndarray[Any, Any]:
    """`data` as an array of `form`, over the same memory.

    Raises:
        RecordError: `data` has another size.
    """
    import numpy

    if len(data) != form.nbytes:
        raise RecordError(f"found {len(data)} bytes; an array of {form} has {form.nbytes}")
    try:
        dtype = numpy.dtype(form.dtype)
        flat = numpy.frombuffer(data, dtype) if len(data) else numpy.empty(0, dtype)
        return flat.reshape(form.shape, order="F" if fortran_order else "C")
    except (TypeError, ValueError) as error:
        raise RecordError(f"numpy makes no array of {form}: {error}") from error
