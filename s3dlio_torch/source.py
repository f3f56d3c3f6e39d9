"""What both kinds of dataset are made from: their arguments, checked, and turned into a manifest and a maker."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from s3dlio_core.loader import LoaderOptions, Manifest, manifest_of_objects, manifest_of_prefix
from s3dlio_core.options import S3Options
from s3dlio_torch.client_config import store_options_of
from s3dlio_torch.manifest import listed_once
from s3dlio_torch.readers import checked_constructor
from s3dlio_torch.sample import SampleMaker, check_return_type

__all__ = ["HasSource", "Source", "one_uri", "split_options"]

# What a dataset takes by name, for a message.
_ARGUMENTS = (
    "loader_opts", "return_type", "transform", "enable_sharding", "records", "record_options", "reader_constructor",
    "manifest_cache", "listing", "allow_empty", "region", "endpoint", "s3client_config", "writable",
    "suppress_nonwritable_warning",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """The samples of a dataset and what becomes of their bytes."""

    manifest: Manifest
    maker: SampleMaker
    region: str | None = None  # as it was given
    endpoint: str | None = None
    allow_empty: bool = False

    @classmethod
    def of(
        cls,
        where: str | Iterable[str],
        options: LoaderOptions,
        *,
        literal: bool = False,
        sharded: bool = False,
        return_type: str = "tensor",
        transform: Any = None,
        reader_constructor: Any = None,
        region: str | None = None,
        endpoint: str | None = None,
        s3client_config: Any = None,
        records: Any = None,
        record_options: dict[str, Any] | None = None,
        manifest_cache: str | None = None,
        allow_empty: bool = False,
        listing: str = "auto",
        writable: bool = True,
        suppress_nonwritable_warning: bool = True,
        **store_options: Any,
    ) -> Source:
        """Checks everything, then lists.

        Args:
            where: A prefix, or the URIs of objects.
            literal: The prefix is the start of keys, not a folder.
            sharded: All ranks have this dataset.
            allow_empty: No samples are no error. An empty list of objects never is.
            writable: Both are taken: the memory of a sample is its own and always writable.
            suppress_nonwritable_warning: Both are taken: there is no such warning.
        """
        for name, value in (
            ("allow_empty", allow_empty),
            ("writable", writable),
            ("suppress_nonwritable_warning", suppress_nonwritable_warning),
        ):
            if not isinstance(value, bool):
                raise TypeError(f"{name} is {value!r}; expected True or False")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform is a {type(transform).__name__}; expected something to call")
        _refuse_unknown(store_options)
        maker = SampleMaker(check_return_type(return_type), transform, checked_constructor(reader_constructor))
        opening = store_options_of(store_options, region=region, endpoint=endpoint, s3client_config=s3client_config)
        opening["tuning"] = options.tuned(opening.get("tuning"))
        found = {"records": records, "record_options": record_options, "allow_empty": allow_empty}

        def list_it() -> Manifest:
            if isinstance(where, str):
                return manifest_of_prefix(
                    where, literal=literal, cache=manifest_cache, etags=not maker.fetches, **found, **opening
                )
            if manifest_cache is not None:
                raise ValueError("manifest_cache keeps a listing; a list of objects needs none")
            return manifest_of_objects(where, **found, **opening)

        manifest = listed_once(list_it, listing, sharded=sharded)
        maker.check(manifest)
        _ = manifest.digest  # computed here, so that forked workers share it
        return cls(manifest, maker, opening.get("region"), opening.get("endpoint_url"), allow_empty)


def _refuse_unknown(arguments: dict[str, Any]) -> None:
    """TypeError for what is neither the dataset's nor a store's, with where it belongs."""
    of_store = ["tuning", *(field.name for field in fields(S3Options))]
    unknown = [name for name in arguments if name not in of_store]
    if not unknown:
        return
    first, loader = unknown[0], LoaderOptions.names()
    if first in loader:
        example = f"S3IterableDataset(uri, {{{first!r}: {arguments[first]!r}}})"
        raise TypeError(f"{first} is a loader option and goes into loader_opts: {example}")
    close = difflib.get_close_matches(first, [*_ARGUMENTS, *loader, *of_store], n=1)
    hint = f" (did you mean {close[0]}{', in loader_opts' if close[0] in loader else ''}?)" if close else ""
    raise TypeError(
        f"unknown argument of a dataset: {', '.join(unknown)}{hint}; its own are {', '.join(_ARGUMENTS)}; in "
        f"loader_opts go {', '.join(loader)}; what else there is belongs to the store: {', '.join(of_store)}"
    )


class HasSource:
    """What every dataset says of its source, as s3torchconnector's do."""

    _source: Source

    @property
    def region(self) -> str | None:
        """As it was given; None: the environment's."""
        return self._source.region

    @property
    def endpoint(self) -> str | None:
        """As it was given; None: the environment's, or AWS's."""
        return self._source.endpoint


def one_uri(uri: str | None, s3_uri: str | None) -> str:
    """The prefix, by our name for it or by the connector's.

    Raises:
        TypeError: Neither or both are given.
    """
    if (uri is None) == (s3_uri is None):
        raise TypeError(
            f"found uri={uri!r} and s3_uri={s3_uri!r}; expected one of them, a prefix like s3://bucket/train/"
        )
    found = uri if s3_uri is None else s3_uri
    assert found is not None
    return found


def split_options(
    loader_opts: LoaderOptions | dict[str, Any] | None, arguments: dict[str, Any]
) -> tuple[LoaderOptions, dict[str, Any]]:
    """Loader options that were given as arguments of their own, joined with `loader_opts`; and the other arguments.

    Raises:
        TypeError: Both were given.
    """
    names = LoaderOptions.names()
    own = {name: value for name, value in arguments.items() if name in names}
    rest = {name: value for name, value in arguments.items() if name not in names}
    if not own:
        return LoaderOptions.of(loader_opts), rest
    if loader_opts is not None:
        raise TypeError(f"{', '.join(own)} and loader_opts are given; put all of them into one")
    return LoaderOptions.of(own), rest
