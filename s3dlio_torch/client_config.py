"""How AWS's connector spells a client's settings, for code that comes from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from s3dlio_core import Tuning

__all__ = ["S3ClientConfig", "store_options_of"]

_DEFAULT_GBPS = 10.0
_CONNECTIONS_PER_GBPS = 6.4  # 64 connections, our default, at 10 Gbit/s, the connector's


@dataclass(frozen=True)
class S3ClientConfig:
    """The names and defaults of AWS's connector; its own S3ClientConfig is taken as well.

    Args:
        throughput_target_gbps: In Gbit/s; sets the most connections, 64 at 10.
        part_size: Bytes of one request.
        unsigned: Send no credentials.
        force_path_style: host/bucket instead of bucket.host.
        max_attempts: Requests for one part before its error is raised.
        profile: Section of the AWS configuration.
        requester_pays: Accept the costs of a requester-pays bucket.
    Raises:
        ValueError: unsigned and requester_pays: nobody would pay.
    """

    throughput_target_gbps: float = _DEFAULT_GBPS
    part_size: int = 8 << 20
    unsigned: bool = False
    force_path_style: bool = False
    max_attempts: int = 10
    profile: str | None = None
    requester_pays: bool = False

    def __post_init__(self) -> None:
        if self.unsigned and self.requester_pays:
            raise ValueError(
                "unsigned and requester_pays exclude each other: a request without credentials pays nothing"
            )


def store_options_of(
    options: dict[str, Any],
    *,
    region: str | None = None,
    endpoint: str | None = None,
    s3client_config: Any = None,
) -> dict[str, Any]:
    """`options` of open_store(), with what the connector's arguments say added.

    Args:
        s3client_config: An S3ClientConfig, ours or the connector's; None: nothing said.
    Raises:
        TypeError: `s3client_config` is something else.
        ValueError: One thing is said twice, differently.
    """
    wanted: dict[str, Any] = {"region": region, "endpoint_url": endpoint}
    if s3client_config is not None:
        config = _checked(s3client_config)
        wanted |= {
            "profile": config.profile,
            "unsigned_access": config.unsigned or None,
            "addressing": "path" if config.force_path_style else None,
            "requester_pays": config.requester_pays or None,
            "tuning": _tuned(options.get("tuning"), config),
        }
    merged = dict(options)
    for name, value in wanted.items():
        if value is None:
            continue
        if name != "tuning" and merged.get(name, value) != value:
            raise ValueError(f"{name} is given twice: {merged[name]!r} and {value!r}")
        merged[name] = value
    return merged


def _checked(config: Any) -> S3ClientConfig:
    names = S3ClientConfig.__dataclass_fields__
    if not all(hasattr(config, name) for name in names if name != "requester_pays"):
        raise TypeError(f"s3client_config is a {type(config).__name__}; expected an S3ClientConfig")
    return S3ClientConfig(**{name: getattr(config, name) for name in names if hasattr(config, name)})


def _tuned(tuning: Tuning | None, config: S3ClientConfig) -> Tuning:
    """`tuning` with what the config says; its defaults say nothing where a Tuning is given."""
    if tuning is None:
        chosen = Tuning.from_environment()
        chosen = replace(chosen, part_size=config.part_size, max_attempts=config.max_attempts)
    else:
        chosen, plain = tuning, Tuning()
        if config.part_size != S3ClientConfig.part_size:
            chosen = replace(
                chosen, part_size=_agreed("part_size", tuning.part_size, config.part_size, plain.part_size)
            )
        if config.max_attempts != S3ClientConfig.max_attempts:
            attempts = _agreed("max_attempts", tuning.max_attempts, config.max_attempts, plain.max_attempts)
            chosen = replace(chosen, max_attempts=attempts)
    if config.throughput_target_gbps == _DEFAULT_GBPS:
        return chosen
    connections = max(1, round(config.throughput_target_gbps * _CONNECTIONS_PER_GBPS))
    if tuning is not None:
        connections = _agreed("max_connections", tuning.max_connections, connections, Tuning().max_connections)
    return replace(
        chosen, max_connections=connections, initial_connections=min(chosen.initial_connections, connections)
    )


def _agreed(name: str, tuned: int, wanted: int, default: int) -> int:
    if tuned not in (default, wanted):
        raise ValueError(f"tuning says {name} {tuned} and s3client_config {wanted}; expected it in one of them")
    return wanted
