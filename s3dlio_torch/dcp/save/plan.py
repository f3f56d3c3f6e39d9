"""Which item goes into which data object of a rank, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from torch.distributed.checkpoint.planner import WriteItem, WriteItemType

from s3dlio_core.checkpoint.layout import TINY_BYTES
from s3dlio_torch.dcp.save.items import item_bytes

__all__ = ["DataObject", "Placement", "objects_of"]

_WORTH_ANOTHER_OBJECT = 32 << 20  # less than this is not divided among several objects
_MIB = 1 << 20
_MOST_PARTS = 9_000  # S3 takes 10,000; what is expected is not exact
_OVERHEAD_BYTES = 8 << 10  # of an item: archive head and tail, the gap before it


@dataclass(frozen=True)
class Placement:
    """What the coordinator tells a rank, in its plan: where its objects go.

    Attributes:
        prefix: Before the number of each data object.
    """

    prefix: str


@dataclass(frozen=True)
class DataObject:
    """The items of one object, in the order they are stored in."""

    items: list[WriteItem]

    @property
    def payload_bytes(self) -> int:
        """Of its tensors."""
        return sum(map(item_bytes, self.items))

    @property
    def expected_bytes(self) -> int:
        """About what will be stored, rather too much."""
        return self.payload_bytes + _OVERHEAD_BYTES * len(self.items)

    def part_size(self, wanted: int) -> int:
        """Bytes of a part: `wanted`, or more where the object would have too many parts."""
        if self.expected_bytes <= wanted * _MOST_PARTS:
            return wanted
        return (self.expected_bytes // _MOST_PARTS // _MIB + 1) * _MIB


def objects_of(items: list[WriteItem], at_most: int) -> list[DataObject]:
    """`items` divided into objects of about equal size; no object is empty.

    Inside an object come first what is no tensor, then the tiny tensors (both are read together, as one range), then
    the others in the order of the plan, which is the one they are loaded in.
    """
    count = max(1, min(at_most, sum(map(item_bytes, items)) // _WORTH_ANOTHER_OBJECT, len(items)))
    sizes = [0] * count
    chosen: dict[int, int] = {}
    for place in sorted(range(len(items)), key=lambda place: -item_bytes(items[place])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += item_bytes(items[place])
        chosen[place] = smallest
    groups: list[list[WriteItem]] = [[] for _ in range(count)]
    for place, item in enumerate(items):
        groups[chosen[place]].append(item)
    return [DataObject(sorted(group, key=_class)) for group in groups if group]


def _class(item: WriteItem) -> int:
    if item.type == WriteItemType.BYTE_IO:
        return 0
    return 1 if item_bytes(item) < TINY_BYTES else 2
