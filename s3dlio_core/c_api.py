"""Where the C interface lies, for whoever builds a program with it.

cc read_object.c -I"$(python -m s3dlio_core.c_api include)" "$(python -m s3dlio_core.c_api library)"
"""

from __future__ import annotations

import sys
from pathlib import Path

from s3dlio_core import _ext

__all__ = ["get_include", "get_library"]


def get_include() -> str:
    """The folder that holds s3dlio.h."""
    return str(Path(_ext.__file__).parent / "include")


def get_library() -> str:
    """The shared library that programs are linked with and load: .../libs3dlio.so.1."""
    return str(Path(_ext.__file__).parent / "lib" / "libs3dlio.so.1")


if __name__ == "__main__":
    wanted = {"include": get_include, "library": get_library}
    if sys.argv[1:] not in ([name] for name in wanted):
        sys.exit("usage: python -m s3dlio_core.c_api include | library")
    print(wanted[sys.argv[1]]())
