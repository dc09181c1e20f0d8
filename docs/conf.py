"""Configuration of the documentation site: Sphinx, MyST and the PyData theme. `make docs` builds it."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = "Likewise"
author = "The Likewise authors"
project_copyright = "2026, The Likewise authors"
version = release = PROJECT["version"]

extensions = ["myst_parser", "repository_pages"]
exclude_patterns = ["_build"]
# A broken reference is a warning, and `make docs` turns warnings into errors.
nitpicky = True

myst_enable_extensions = ["colon_fence", "html_image"]
myst_heading_anchors = 3
# Sphinx has no lexer for these languages of code blocks.
highlight_language = "none"

html_theme = "pydata_sphinx_theme"
html_title = "Likewise"
html_theme_options = {
    "github_url": PROJECT["urls"]["Source"],
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
