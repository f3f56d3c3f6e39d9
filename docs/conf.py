"""How Sphinx builds the site: `make docs`.

docs/libraries.md says why it is Sphinx.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from s3dlio_core import __version__

project = "s3dlio for PyTorch"
author = "the s3dlio authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
    "expansions",
]
exclude_patterns = ["_ext"]
nitpicky = True

# ---- Markdown ----
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# ---- docstrings ----
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
highlight_language = "python"  # of docstrings; pages name theirs
default_role = "name"  # docstrings.py
nitpick_ignore_regex = [
    ("py:exc", r"As get_range|\."),
    ("py:obj", ".*"),  # in backticks: code where it names nothing of the site
    (
        "py:.*",
        r"(_pickle|abc|array|collections|concurrent|builtins|io|os|torch|lightning|torchdata|CheckpointException)(\..*)?",
    ),
    ("py:.*", r"s3dlio_\w+\.(\w+\.)*_\w+(\..*)?"),  # private modules
]

# ---- looks ----
html_theme = "furo"
html_title = "s3dlio for PyTorch"
html_static_path = ["_static"]
html_css_files = ["site.css"]
smartquotes = False
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
