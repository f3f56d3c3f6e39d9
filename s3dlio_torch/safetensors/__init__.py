"""Weights in the safetensors format, one object or many, over every store: bytes land in the tensors.

Usage::

    tensors = load_file("s3://models/a/model.safetensors")
    with safe_open(uri) as f:
        rows = f.get_slice("embed.weight")[1000:2000]  # reads these rows
    load_into("s3://models/llama/", model)             # a sharded folder, into the model's own tensors
    save_file(model.state_dict(), uri)
"""

from s3dlio_torch.safetensors._folder import load_sharded
from s3dlio_torch.safetensors._model import LoadReport, load_into, load_model, save_model
from s3dlio_torch.safetensors._read import load_file, safe_open
from s3dlio_torch.safetensors._save import SharedTensorsError, save_file
from s3dlio_torch.safetensors._save_sharded import save_sharded
from s3dlio_torch.safetensors._slice import TensorSlice

__all__ = [
    "LoadReport",
    "SharedTensorsError",
    "TensorSlice",
    "load_file",
    "load_into",
    "load_model",
    "load_sharded",
    "safe_open",
    "save_file",
    "save_model",
    "save_sharded",
]
