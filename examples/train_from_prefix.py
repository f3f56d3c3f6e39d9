"""The smallest training loop: python examples/train_from_prefix.py [uri of a prefix]

Under torchrun each rank reads its own share; with num_workers > 0 so does each worker.
"""

import sys
import tempfile

import torch
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_torch import S3IterableDataset


def main(uri: str) -> None:
    store = s3dlio_core.open_store(uri)
    store.put_many((f"sample-{i:03d}", torch.full((64,), i, dtype=torch.uint8)) for i in range(100))

    dataset = S3IterableDataset(uri, transform=lambda x: x.float() / 255)  # x: uint8 tensor of shape [size]
    model = torch.nn.Linear(64, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for batch in DataLoader(dataset, batch_size=20):  # float32, shape [20, 64]
        loss = (model(batch) - batch.mean(dim=1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(f"file://{folder}/")
