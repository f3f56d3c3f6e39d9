"""How far a dataset reads ahead. Every option acts; an unknown one is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class LoaderOptions:
    """Read-ahead of one dataset, per process.

    Args:
        window_bytes: Most bytes fetched and not yet consumed; one object always fits.
        window_requests: Most objects asked for at once.
        in_order: False yields objects as they arrive, so one slow object holds up nothing.
    """

    window_bytes: int = 256 << 20
    window_requests: int = 64
    in_order: bool = True

    def __post_init__(self) -> None:
        for name in ("window_bytes", "window_requests"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} is {value!r}; expected an integer")
            if value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1")
        if not isinstance(self.in_order, bool):
            raise TypeError(f"in_order is {self.in_order!r}; expected True or False")

    @classmethod
    def of(cls, options: LoaderOptions | dict[str, Any] | None) -> LoaderOptions:
        """`options` as LoaderOptions; a dict may name any of its fields.

        Raises:
            TypeError: Unknown names, or values of another type; the message lists the valid names.
        """
        if options is None:
            return cls()
        if isinstance(options, LoaderOptions):
            return options
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise TypeError(f"unknown loader options: {', '.join(unknown)}; valid ones are {', '.join(known)}")
        return cls(**options)
