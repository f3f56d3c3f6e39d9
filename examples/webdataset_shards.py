"""Shuffles single samples of WebDataset shards, stops in mid-epoch and goes on.

python examples/webdataset_shards.py [uri of a prefix]

Without a URI it starts an S3 server on loopback.
"""

import contextlib
import io
import itertools
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import torch
from local_s3 import LocalS3

from s3dlio_core import Store, open_store
from s3dlio_core.records import index_prefix, save_index
from s3dlio_torch import S3IterableDataset

SHARDS, SAMPLES = 4, 25  # samples of each shard


def write_shards(store: Store) -> None:
    """Each sample is two members: a 16 x 16 grey picture (raw bytes here; JPEG in real life) and its class."""
    generator = torch.Generator().manual_seed(7)
    for shard in range(SHARDS):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for number in range(shard * SAMPLES, (shard + 1) * SAMPLES):
                picture = torch.randint(0, 256, (256,), generator=generator, dtype=torch.uint8)
                for field, content in (("raw", picture.numpy().tobytes()), ("cls", str(number % 10).encode())):
                    member = tarfile.TarInfo(f"{number:04d}.{field}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        store.put(f"train-{shard:02d}.tar", file.getbuffer())


def to_sample(record: dict[str, Any]) -> tuple[str, torch.Tensor, int]:
    """Decode the fields: (key, float32 of shape [16, 16], class). In a DataLoader the workers do this."""
    return record["__key__"], record["raw"].reshape(16, 16).float() / 255, int(bytes(record["cls"].tolist()))


def open_dataset(uri: str) -> S3IterableDataset:
    return S3IterableDataset(uri, {"shuffle": True, "seed": 1}, records="webdataset", transform=to_sample)


def main(uri: str) -> None:
    store = open_store(uri)
    write_shards(store)
    index = index_prefix(store)  # or: s3dlio index URI
    save_index(index, store)
    one = index[30]
    print(f"indexed:  {len(index)} samples in {len(index.objects)} shards")
    print(f"          {one.name} is bytes [{one.start}, {one.end}) of {one.key}")

    dataset = open_dataset(uri)
    before = [key for key, _, _ in itertools.islice(dataset, 40)]
    print("shuffled:", *before[:5], "...")
    state = dataset.state_dict()  # exact: in a checkpoint, next to the model

    resumed = open_dataset(uri)
    resumed.load_state_dict(state)
    after = [key for key, _, _ in resumed]
    print(f"resumed:  {len(before)} before and {len(after)} after the stop, {len({*before, *after})} different samples")

    batches = torch.utils.data.DataLoader(open_dataset(uri), batch_size=20)
    for _, pictures, classes in batches:
        print(f"batch:    {tuple(pictures.shape)} {pictures.dtype}, classes {classes[:5].tolist()} ...")


@contextlib.contextmanager
def local_bucket() -> Any:
    """A bucket on an S3 server of this machine; the environment leads to it."""
    with tempfile.TemporaryDirectory() as folder, LocalS3(Path(folder)) as server:
        os.environ["AWS_ENDPOINT_URL_S3"] = server.endpoint_url
        os.environ |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
        os.environ["AWS_REGION"] = server.region
        open_store("s3://train/").create_bucket()
        yield "s3://train/shards/"


if __name__ == "__main__":
    with contextlib.nullcontext(sys.argv[1]) if len(sys.argv) > 1 else local_bucket() as uri:
        main(uri)
