"""A Sphinx extension that shows the repository's own pages in the site, and links to its other files.

README, ARCHITECTURE and the like stay in the root of the repository, where GitHub shows them. A page of the site that
stands for one of them contains only a link to it, and this extension replaces that link with the page. Links that lead
out of `docs/` become links to the repository; a link to a file that does not exist is a warning.
"""

import os
import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
# Pages of the site, without suffix, and the file of the repository that each one shows.
ROOT_PAGES = {
    "explanation/architecture": "ARCHITECTURE.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "code-of-conduct": "CODE_OF_CONDUCT.md",
    "changelog": "CHANGELOG.md",
    "how-to/examples": "examples/README.md",
    "how-to/manifests": "k8s/README.md",
    "reference/chart": "helm/likewise/README.md",
}
_PAGES_OF_FILES = {path: page for page, path in ROOT_PAGES.items()}
_LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?\)")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_log = logging.getLogger(__name__)


def _link(target: str, fragment: str, page: str) -> str:
    """Return the address of a file of the repository, as seen from a page of the site."""
    if target in _PAGES_OF_FILES:
        target = f"docs/{_PAGES_OF_FILES[target]}.md"
    if not (ROOT / target).exists():
        _log.warning("link to %s, which does not exist", target, location=page)
    if target.startswith("docs/"):
        return os.path.relpath(ROOT / target, (ROOT / "docs" / page).parent) + fragment
    kind = "tree" if (ROOT / target).is_dir() else "blob"
    return f"{SOURCE}/{kind}/main/{target}{fragment}"


def _rewrite(text: str, source: Path, page: str) -> str:
    """Rewrite all relative links of a text that is kept in the file `source` and shown as `page`."""

    def replace(match: re.Match[str]) -> str:
        target = os.path.relpath(source.parent / match[2], ROOT)
        return f"{match[1]}{_link(target, match[3] or '', page)})"

    parts = _CODE.split(text)
    # Every second part is code, which has no links.
    parts[::2] = [_LINK.sub(replace, part) for part in parts[::2]]
    return "".join(parts)


def _read_source(_app: Sphinx, page: str, content: list[str]) -> None:
    """Replace a page's source before Sphinx parses it."""
    source = ROOT / ROOT_PAGES.get(page, f"docs/{page}.md")
    if source.suffix == ".md":
        text = source.read_text("utf-8") if page in ROOT_PAGES else content[0]
        content[0] = _rewrite(text, source, page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _read_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
