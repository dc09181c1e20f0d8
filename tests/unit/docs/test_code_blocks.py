"""Every code block of the documentation is checked: shell commands, YAML, TOML, Python, JavaScript, HTML, CSS.

`tests/examples/test_documentation.py` also runs the requests against an API, and
`tests/integration/storage/test_post_likes.py` the SQL. A block that cannot be checked says why.
"""

import html.parser
import json
import re
import subprocess
import tomllib
from typing import Any

import jsonschema
import pytest
import yaml

from service.cost.prices import Prices
from tests.support.docs.code_blocks import ROOT, CodeBlock, blocks_in, code_blocks
from tests.support.docs.shell_commands import check, commands

CHECKED = {"sh", "console", "yaml", "toml", "py", "python", "js", "html", "css", "sql"}
# `text` is for output and diagrams. Braces mark directives of the site's generator, which checks them itself.
NOT_CODE = {"text", "{toctree}"}
# Raise this only with a reason in the block: it is the number of blocks that nothing checks.
MOST_NOT_RUN = 0
SCHEMA = json.loads((ROOT / "helm/likewise/values.schema.json").read_text())
KUSTOMIZATION = {"resources", "images", "namespace", "patches", "replicas"}


def blocks(*languages: str) -> Any:
    """Return a parameter for each block of these languages."""
    return pytest.mark.parametrize("block", blocks_in(*languages), ids=str)


def test_every_block_names_a_language_that_is_checked() -> None:
    unknown = [f"{block}: {block.language!r}" for block in code_blocks() if block.language not in CHECKED | NOT_CODE]
    assert not unknown


def test_few_blocks_are_not_run(record_testsuite_property: Any) -> None:
    not_run = [f"{block}: {block.not_run}" for block in code_blocks() if block.not_run]
    record_testsuite_property("code blocks that are not run", not_run)
    assert len(not_run) <= MOST_NOT_RUN, not_run
    assert len(code_blocks()) > 40


@blocks("sh", "console")
def test_shell_blocks_use_only_what_exists(block: CodeBlock) -> None:
    if block.language == "sh":
        subprocess.run(["sh", "-n"], input=block.text, text=True, check=True, capture_output=True)
    found = list(commands(block.text))
    assert found
    for words in found:
        check(words)


@blocks("yaml")
def test_yaml_blocks_are_manifests_or_values_that_the_chart_takes(block: CodeBlock) -> None:
    for document in yaml.safe_load_all(block.text):
        if "apiVersion" in document:
            assert {"kind", "metadata"} <= document.keys()
        elif not document.keys() <= KUSTOMIZATION:
            jsonschema.validate(document, SCHEMA)


@blocks("toml")
def test_toml_blocks_are_price_files(block: CodeBlock) -> None:
    assert Prices.model_validate(tomllib.loads(block.text))


@blocks("py", "python")
def test_python_blocks_run(block: CodeBlock) -> None:
    namespace: dict[str, Any] = {}
    exec(block.setup, namespace)
    exec(compile(block.text, str(block), "exec"), namespace)


@pytest.mark.requires("node")
@blocks("js")
def test_javascript_blocks_parse(block: CodeBlock) -> None:
    subprocess.run(["node", "--check", "-"], input=block.text, text=True, check=True, capture_output=True)


@blocks("html")
def test_html_blocks_use_the_button_as_it_is_documented(block: CodeBlock) -> None:
    table = (ROOT / "docs/reference/button.md").read_text().partition("## Attributes")[2]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    buttons = Buttons()
    buttons.feed(block.text)
    assert buttons.attributes
    assert buttons.attributes <= documented | {"style", "class", "id"}


@blocks("css")
def test_css_blocks_are_balanced(block: CodeBlock) -> None:
    assert block.text.count("{") == block.text.count("}") > 0


class Buttons(html.parser.HTMLParser):
    """Collects the attributes of all `<like-button>` elements."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes of a button."""
        if tag == "like-button":
            self.attributes |= {name for name, _ in attrs}
