"""Prints the folder of the torch package to build with, or nothing. Not imported: that takes seconds.

Looked for in this order: the environment's S3DLIO_TORCH; what this interpreter imports; what the environment that is
installed into holds. The last is for `pip install .`, which builds apart from that environment but by its interpreter.
"""

import importlib.util
import os
import site
import sysconfig


def candidates():
    yield os.environ.get("S3DLIO_TORCH", "")
    found = importlib.util.find_spec("torch")
    if found is not None and found.submodule_search_locations:
        yield found.submodule_search_locations[0]
    for folder in (sysconfig.get_path("platlib"), sysconfig.get_path("purelib"), site.getusersitepackages()):
        yield os.path.join(folder, "torch")


for each in candidates():
    if os.path.exists(os.path.join(each, "include", "torch", "csrc", "stable", "library.h")):
        print(os.path.abspath(each), end="")
        break
