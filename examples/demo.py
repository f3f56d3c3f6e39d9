"""Trains a small model on objects of a real S3 server (or a folder) and shows what the reading cost.

python examples/demo.py                          # starts an S3 server on loopback
python examples/demo.py --uri file:///tmp/demo   # or direct:///tmp/demo, or s3://your-bucket/demo
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peer_datasets import plain_reader
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_torch import S3IterableDataset

CLASSES = {"class-0": 1.0, "class-1": 1.5}  # what tells the classes apart: how far their objects compress
SAMPLE_BYTES = 4096  # of each object, the part the model sees
console = Console()


class Classifier(nn.Module):
    """Bytes to one of two classes. In: float32 of shape [batch, SAMPLE_BYTES]; out: logits of shape [batch, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv1d(1, 16, kernel_size=16, stride=16)
        self.head = nn.Linear(16, len(CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.features(x.unsqueeze(1))).mean(dim=2))


def to_sample(reader: Any) -> tuple[torch.Tensor, int]:
    """The first bytes as float32 in [-1, 1], shape [SAMPLE_BYTES], and the class that the key names."""
    head = torch.frombuffer(bytearray(reader.read(SAMPLE_BYTES)), dtype=torch.uint8)
    label = next(i for i, name in enumerate(CLASSES) if f"/{name}/" in f"/{reader.key}")
    return head.float() / 127.5 - 1.0, label


def generate(uri: str, objects: int, size: str) -> None:
    """Fills `uri` with the command-line program, as a user would."""
    for number, (name, compress) in enumerate(CLASSES.items()):
        target = f"{uri}/{name}/object-{{}}.bin"
        count = ["-n", str(objects // len(CLASSES)), "-s", size, "--seed", str(number)]
        command = [sys.executable, "-m", "s3dlio_core.cli", "put", target, *count, "--compress", str(compress)]
        subprocess.run(command, check=True)


def shuffled_uris(uri: str) -> list[str]:
    """Every data object below `uri`, in a random but repeatable order."""
    uris = [f"{uri}/{item.key}" for item in s3dlio_core.open_store(uri).list("class-")]
    random.Random(0).shuffle(uris)
    return uris


@dataclass
class Cost:
    """What reading a data set once cost this process."""

    client: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    samples: int = 0
    bytes: int = 0


@contextlib.contextmanager
def measured(cost: Cost) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    cost.seconds += time.perf_counter() - wall
    cost.cpu_seconds += time.process_time() - cpu


def read_once(dataset: Any, cost: Cost, size: int) -> None:
    with measured(cost):
        for _, labels in DataLoader(dataset, batch_size=32):
            cost.samples += len(labels)
            cost.bytes += len(labels) * size


def compare(uris: list[str], size: int, rounds: int) -> list[Cost]:
    """Reads everything with s3dlio and with the usual client, in turns, so that noise hits both alike."""
    ours = S3IterableDataset.from_objects(uris, transform=to_sample, enable_sharding=True)
    peer_name, peer = plain_reader(uris, to_sample)
    costs = [Cost("s3dlio"), Cost(peer_name)]
    for _ in range(rounds):
        for dataset, cost in zip((ours, peer), costs, strict=True):
            read_once(dataset, cost, size)
    return costs


def train(uris: list[str], epochs: int) -> Classifier:
    torch.manual_seed(0)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loader = DataLoader(S3IterableDataset.from_objects(uris, transform=to_sample, enable_sharding=True), batch_size=16)
    for epoch in range(epochs):
        right = seen = 0
        loss_sum, start = 0.0, time.perf_counter()
        for x, y in loader:
            logits = model(x)
            loss = nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(y)
            right += int((logits.argmax(1) == y).sum())
            loss_sum += float(loss.detach()) * len(y)
        rate = seen / (time.perf_counter() - start)
        console.print(
            f"epoch {epoch + 1}: loss {loss_sum / seen:.3f}, accuracy {right / seen:.1%}, {rate:.0f} samples/s"
        )
    return model


def save_and_reload(model: Classifier, uri: str) -> None:
    store = s3dlio_core.open_store(uri)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    store.put("model.pt", file.getbuffer())
    with store.open_reader("model.pt") as reader:
        loaded = torch.load(io.BufferedReader(reader), weights_only=True)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0)
    console.print(f"saved {uri}/model.pt and read it back: {len(loaded)} tensors, equal")


def show(costs: list[Cost]) -> None:
    table = Table(title="Reading the data set, same objects, same server, same run")
    for heading in ("client", "samples/s", "GB/s", "client CPU s/GB"):
        table.add_column(heading, justify="left" if heading == "client" else "right")
    for cost in costs:
        gigabytes = cost.bytes / 1e9
        table.add_row(
            cost.client,
            f"{cost.samples / cost.seconds:,.0f}",
            f"{gigabytes / cost.seconds:.3f}",
            f"{cost.cpu_seconds / gigabytes:.2f}",
        )
    console.print(table)


def plot(costs: list[Cost], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), layout="constrained")
    names = [cost.client for cost in costs]
    panels = (
        ("samples/s (longer is better)", [cost.samples / cost.seconds for cost in costs]),
        ("client CPU s/GB (shorter is better)", [cost.cpu_seconds / (cost.bytes / 1e9) for cost in costs]),
    )
    for ax, (title, values) in zip(axes, panels, strict=True):
        bars = ax.barh(names, values, color=["#1f77b4", "#bbbbbb"])
        ax.bar_label(bars, fmt="%.3g", padding=3)
        ax.set_title(title, fontsize=10)
        ax.margins(x=0.2)
        ax.invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    console.print(f"plot: {path}")


@contextlib.contextmanager
def place_for(uri: str | None) -> Iterator[str]:
    """`uri` as given, or a bucket on an S3 server of our own for as long as the block lasts."""
    if uri is not None:
        yield uri.rstrip("/")
        return
    from local_s3 import LocalS3

    console.print("starting an S3 server (SeaweedFS) on loopback ...")
    with tempfile.TemporaryDirectory() as folder, LocalS3(folder) as server:
        os.environ["AWS_ENDPOINT_URL_S3"] = server.endpoint_url
        os.environ["AWS_ACCESS_KEY_ID"] = server.access_key
        os.environ["AWS_SECRET_ACCESS_KEY"] = server.secret_key
        os.environ.setdefault("AWS_REGION", "us-east-1")
        s3dlio_core.open_store("s3://demo").create_bucket()
        yield "s3://demo/data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", help="where to keep the data set; default: an S3 server started for the demo")
    parser.add_argument("--objects", type=int, default=512)
    parser.add_argument("--size", default="256KiB", help="of each object")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="passes over the data for the comparison")
    parser.add_argument("--plot", type=Path, default=Path("demo-output/reading.png"))
    arguments = parser.parse_args()

    with place_for(arguments.uri) as uri:
        generate(uri, arguments.objects, arguments.size)
        uris = shuffled_uris(uri)
        size = s3dlio_core.stat(uris[0]).size
        console.print(f"{len(uris)} objects of {size} bytes below {uri}")
        model = train(uris, arguments.epochs)
        save_and_reload(model, uri)
        costs = compare(uris, size, arguments.rounds)
        show(costs)
        plot(costs, arguments.plot)


if __name__ == "__main__":
    main()
