"""Receives ranges of one object straight into tensors: python examples/read_into_tensor.py [uri]

A weights file is read the way a loader of sharded checkpoints does it: a few row slices, one call.
"""

import sys
import tempfile

import torch

import s3dlio_core

ROWS, COLUMNS = 1024, 256


def main(uri: str) -> None:
    store = s3dlio_core.open_store(uri)
    weights = torch.arange(ROWS * COLUMNS, dtype=torch.float32).reshape(ROWS, COLUMNS)
    store.put("weights.bin", weights)  # any contiguous tensor, sent from its own memory

    whole = torch.empty_like(weights)
    store.get_into("weights.bin", whole)
    print("whole equal:  ", torch.equal(whole, weights))

    row = COLUMNS * weights.element_size()  # bytes
    slices = [(0, 8), (512, 520), (1000, 1024)]  # rows [start, end)
    parts = [torch.empty(end - start, COLUMNS) for start, end in slices]
    store.get_ranges("weights.bin", [(start * row, end * row) for start, end in slices], out=parts)
    print("slices equal: ", all(torch.equal(p, weights[a:b]) for p, (a, b) in zip(parts, slices, strict=True)))

    half = torch.ones(16, dtype=torch.bfloat16)
    store.put("half.bin", half)
    back = torch.zeros(16, dtype=torch.bfloat16)
    store.get_into("half.bin", back)
    print("bfloat16 equal:", torch.equal(back, half))
    store.delete(["weights.bin", "half.bin"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(f"file://{folder}")
