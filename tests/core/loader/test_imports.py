"""The loader's framework-free half stays so."""

import subprocess
import sys


def test_it_imports_no_framework() -> None:
    program = (
        "import sys, s3dlio_core.loader; print(sorted({'torch', 'numpy', 'jax', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "[]"
