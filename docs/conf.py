"""Sphinx configuration. Built with warnings as errors: `make docs`."""

import shutil
from importlib.metadata import version as installed_version
from pathlib import Path

project = "bayes-coprod"
author = "the bayes-coprod authors"
project_copyright = author
version = release = installed_version(project)

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
suppress_warnings = ["ref.citation"]  # numpydoc's References need not be cited in the text

# Sphinx reads one folder only, and the notebooks stand at the top of the repository.
here = Path(__file__).parent
shutil.rmtree(here / "notebooks", ignore_errors=True)
shutil.copytree(
    here.parent / "notebooks",
    here / "notebooks",
    ignore=shutil.ignore_patterns(".*"),
)

# Notebooks are kept without outputs and executed here.
nb_execution_mode = "force"
nb_execution_timeout = 900  # seconds per cell; a fit on a slow machine compiles first
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {"show_prev_next": False}
