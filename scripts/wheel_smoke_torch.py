"""Uses an installed wheel beside an installed torch: torch.ops.s3dlio, a dataset, a checkpoint."""

import ctypes
import importlib.util
import tempfile
from pathlib import Path

import s3dlio_core


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)  # found, not imported
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def check_that_only_torch_brings_libtorch() -> None:
    library = folder_of("s3dlio_torch") / "_ops.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        if "libtorch_cpu.so" not in str(error):
            raise
    else:
        raise AssertionError(f"{library} found a libtorch before torch was imported")
    import s3dlio_torch.ops  # noqa: F401

    with open("/proc/self/maps") as maps:
        loaded = {line.split(maxsplit=5)[5].strip() for line in maps if "libtorch_cpu.so" in line}
    assert loaded == {str(folder_of("torch") / "lib" / "libtorch_cpu.so")}, loaded


def check_ops(folder: str) -> None:
    import torch

    from s3dlio_torch import ops

    store = s3dlio_core.open_store(f"file://{folder}/")
    whole = torch.arange(100_000, dtype=torch.int32)
    store.put("data/a", whole)
    out = torch.zeros(1000, dtype=torch.int32)
    assert ops.read_into(store, "data/a", out, offset=400) is out
    assert torch.equal(out, whole[100:1100])
    first, second = ops.read_ranges(store, "data/a", [(40, 80), (0, 4)])
    assert torch.equal(first.view(torch.int32), whole[10:20])
    assert torch.equal(second.view(torch.int32), whole[:1])
    torch.ops.s3dlio.read_file_direct(f"{folder}/data/a", out, 4)
    assert torch.equal(out, whole[1:1001])
    try:
        ops.read_into(store, "none", out)
    except s3dlio_core.ObjectNotFoundError as error:
        if store.uri_of("none") not in str(error):
            raise
    else:
        raise AssertionError("an object that is not there was read")

    handle = ops.handle_of(store)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def load(destination: torch.Tensor) -> torch.Tensor:
        torch.ops.s3dlio.read_into(handle, "data/a", destination, 0)
        return destination * 2

    assert torch.equal(load(out), whole[:1000] * 2)


def check_dataset_and_checkpoint(folder: str) -> None:
    import torch
    import torch.distributed.checkpoint as dcp

    from s3dlio_torch import S3IterableDataset
    from s3dlio_torch.dcp import StorageReader, StorageWriter

    whole = torch.arange(100_000, dtype=torch.int32)
    (sample,) = S3IterableDataset(f"file://{folder}/data/")
    assert torch.equal(sample.view(torch.int32), whole)
    uri = f"file://{folder}/step-1"
    dcp.save({"whole": whole}, storage_writer=StorageWriter(uri), no_dist=True)
    found = {"whole": torch.zeros_like(whole)}
    dcp.load(found, storage_reader=StorageReader(uri), no_dist=True)
    assert torch.equal(found["whole"], whole)


def main() -> None:
    check_that_only_torch_brings_libtorch()
    with tempfile.TemporaryDirectory() as folder:
        check_ops(folder)
        check_dataset_and_checkpoint(folder)
    import torch

    print("wheel smoke test ok with torch", torch.__version__)


main()
