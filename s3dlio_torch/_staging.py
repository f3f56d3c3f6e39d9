"""A few pieces of host memory that bytes pass through on their way to an accelerator, pinned where that helps."""

from __future__ import annotations

import torch

from s3dlio_torch._memory import fresh, pinned

__all__ = ["StagingPool", "StagingSlot"]

SLOTS = 4
SLOT_BYTES = 16 << 20


class StagingSlot:
    """Memory of one piece, and the copies out of it that are under way.

    Attributes:
        memory: uint8, shape [slot_bytes], on the CPU.
    """

    def __init__(self, slot_bytes: int, pinned: bool) -> None:
        self.memory = _allocate(slot_bytes, pinned)
        self._copies: list[torch.Event] = []

    def copied_to(self, device: torch.device) -> None:
        """A copy from this memory to `device` (or the other way) was queued on its current stream."""
        if device.type == "cpu":
            return  # such copies are over when they return
        try:
            event = torch.Event(device=device)
            event.record(torch.accelerator.current_stream(device))
        except (RuntimeError, NotImplementedError):  # not every accelerator has events
            torch.accelerator.synchronize(device)
            return
        self._copies.append(event)

    def wait(self) -> None:
        """Until the memory may be used again."""
        for event in self._copies:
            event.synchronize()
        self._copies.clear()


class StagingPool:
    """At most `slots` pieces of `slot_bytes`, made when first needed. One thread at a time."""

    def __init__(self, *, pinned: bool, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self.slots = slots
        self.slot_bytes = slot_bytes
        self._pinned = pinned
        self._free: list[StagingSlot] = []
        self._made: list[StagingSlot] = []

    def take(self) -> StagingSlot:
        """A slot that nothing reads or writes any more. Give it back: there are only `slots`."""
        if self._free:
            slot = self._free.pop(0)  # the one whose copies were queued first
            slot.wait()
            return slot
        assert len(self._made) < self.slots, "more slots are held than there are"
        slot = StagingSlot(self.slot_bytes, self._pinned)
        self._made.append(slot)
        return slot

    def give_back(self, slot: StagingSlot) -> None:
        self._free.append(slot)

    def drain(self) -> None:
        """Until every copy is over."""
        for slot in self._made:
            slot.wait()


def _allocate(size: int, is_pinned: bool) -> torch.Tensor:
    if is_pinned and (memory := pinned(size)) is not None:
        return memory
    return fresh([size], torch.uint8)
