"""Sphinx: pages in Markdown (MyST), cells run when the site is built, warnings are errors in `.ci/run`."""

import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent / "_extensions")]

import asymptotics  # noqa: E402 (it stands beside this folder)

project = "asymptotics"
author = "the asymptotics developers"
copyright = "the asymptotics developers"
release = asymptotics.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_design",
    "written",
]
exclude_patterns = ["_build", "_extensions", "jupyter_execute"]
templates_path: list[str] = []
html_theme = "furo"
html_title = "asymptotics"
html_static_path: list[str] = []

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # bars

autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
# Members of a paper's appendix are many; a source is a section of its own.
toc_object_entries = False
