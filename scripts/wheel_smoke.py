"""Uses an installed wheel in an environment that holds nothing else."""

import sys
import tempfile
import time

import s3dlio_core

assert not {"torch", "numpy", "tensorflow", "jax"} & set(sys.modules), "the core imported a framework"
with tempfile.TemporaryDirectory() as folder:
    store = s3dlio_core.open_store(f"file://{folder}/")
    store.put("a.bin", b"0123456789" * 1000)
    assert bytes(store.get_range("a.bin", start=5, end=15)) == b"5678901234"
    assert [item.key for item in store.list()] == ["a.bin"]

tuning = s3dlio_core.Tuning(max_attempts=1)
dead = s3dlio_core.open_store(
    "s3://bucket/", endpoint_url="https://127.0.0.1:9", access_key_id="x", secret_access_key="y", tuning=tuning
)
start = time.monotonic()
try:
    dead.get("key")
except s3dlio_core.ConnectionFailedError as error:
    if "s3://bucket/key" not in str(error):
        raise
else:
    raise AssertionError("a dead server answered")
assert time.monotonic() - start < 10

try:
    import s3dlio_torch  # noqa: F401
except ImportError as error:
    if "pip install torch" not in str(error):
        raise
else:
    raise AssertionError("torch is here: this environment is not the clean one")
print("wheel smoke test ok:", s3dlio_core.__file__)
