"""Test what the command line says without servers: help, missing packages, and renamed options."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from service.auth.api_keys import ApiKey, ApiKeys
from service.cli import main

DOCS = Path(__file__).parents[2] / "docs"


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    """Return every command and sub-command."""
    found: list[tuple[str, ...]] = [path]
    for name, command in group.commands.items():
        nested = commands(command, *path, name) if isinstance(command, click.Group) else [(*path, name)]
        found += nested
    return found


def help_of(*command: str) -> str:
    result = CliRunner().invoke(main, [*command, "--help"], prog_name="likewise")
    assert result.exit_code == 0, result.output
    return result.output


def option_texts(command: tuple[str, ...]) -> list[str]:
    current: click.Command = main
    for name in command:
        assert isinstance(current, click.Group)
        current = current.commands[name]
    options = [param for param in current.params if isinstance(param, click.Option) and not param.hidden]
    return [option.help or "" for option in options]


@pytest.mark.parametrize("command", commands(main), ids="-".join)
def test_the_help_has_whole_sentences(command: tuple[str, ...]) -> None:
    description = re.split(r"\n\n", help_of(*command))[1].strip()
    assert re.fullmatch(r"[A-Z].*\.", description, re.DOTALL)
    for text in option_texts(command):
        # A default in brackets may follow the sentence.
        assert re.fullmatch(r"[A-Z].*\.(  \[default: .*\])?", text, re.DOTALL), text


def test_the_help_explains_the_exit_codes() -> None:
    assert re.findall(r"^ +([0-9]) {2}The .*\.$", help_of(), re.MULTILINE) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["up"], "service.devstack"),
        (["up"], "psutil"),
        (["drill", "--likes", "1", "--in", "1s"], "service.loadtest"),
    ],
)
def test_a_command_of_the_extra_says_what_to_install(command: list[str], missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; "
        f"from service.cli import main; main({command!r}, prog_name='likewise')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    reason = f"`likewise {command[0]}` needs {missing}, which this installation does not have."
    remedy = (
        "Install it with: pip install 'likewise[local]'. In a cluster, `likewise drill` is in the image likewise-drill."
    )
    assert (result.returncode, result.stderr) == (2, f"Error: {reason} {remedy}\n")


@pytest.mark.parametrize("command", [["key", "new", "blog", "--scope", "like"], ["capacity"]], ids=" ".join)
def test_other_commands_need_neither_devstack_nor_loadtest(command: list[str]) -> None:
    program = (
        "import sys; sys.modules.update({'service.devstack': None, 'service.loadtest': None, 'psutil': None}); "
        f"from service.cli import main; main({command!r}, prog_name='likewise')"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_the_old_name_of_allow_errors_still_works_with_a_warning(tmp_path: Path) -> None:
    command = ["drill", "--likes", "1", "--in", "1s", "--url", "http://127.0.0.1:1", "--expect-trouble"]
    result = CliRunner().invoke(main, command, env={"LIKEWISE_STATE_DIR": str(tmp_path)})
    assert "Warning: --expect-trouble was renamed. It still works in this release; use --allow-errors instead." in (
        result.output
    )
    assert "--expect-trouble" not in help_of("drill")


def test_the_error_names_a_wrong_option_and_the_valid_values(tmp_path: Path) -> None:
    for option, value, reason in (
        ("--likes", "0", "--likes must be from 1 to 10,000,000, not 0"),
        ("--in", "soon", "--in: 'soon' is not a duration. Write 30s, 4m or 500ms"),
        ("--profile", "sine", "--profile must be one of flat, ramp, viral, not 'sine'"),
    ):
        command = ["drill", "--likes", "1", "--in", "1s", option, value]
        result = CliRunner().invoke(main, command, env={"LIKEWISE_STATE_DIR": str(tmp_path)})
        assert (result.exit_code, result.output.splitlines()[-1]) == (2, f"Error: {reason}")


@pytest.mark.parametrize("command", commands(main)[1:], ids="-".join)
def test_the_documentation_has_every_command_and_option(command: tuple[str, ...]) -> None:
    pages = [DOCS / "reference" / "command-line.md", DOCS / "how-to" / "load-test.md"]
    text = "".join(page.read_text() for page in pages)
    assert f"`likewise {' '.join(command)}" in text
    options = set(re.findall(r"^  (--[a-z-]+)", help_of(*command), re.MULTILINE)) - {"--help"}
    assert not {option for option in options if f"`{option}" not in text}


def test_a_wrong_choice_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["migrate", "--phase", "never"]).exit_code == 2


def test_a_new_key_is_printed_with_its_entry() -> None:
    result = CliRunner().invoke(main, ["key", "new", "blog", "--scope", "seed", "--scope", "like"])
    key, *sentences, entry = [line for line in result.output.splitlines() if line]
    assert (result.exit_code, ApiKeys([entry]).find(key)) == (0, ApiKey("blog", frozenset({"like", "seed"})))
    assert "LIKEWISE_API_KEYS" in " ".join(sentences)
    as_json = json.loads(CliRunner().invoke(main, ["key", "new", "blog", "--scope", "admin", "--json"]).output)
    assert ApiKeys([as_json["entry"]]).find(as_json["key"]).has_scope("seed")
    assert as_json["key"] != key


@pytest.mark.parametrize("args", [["Blog", "--scope", "like"], ["blog", "--scope", "root"], ["blog"], []])
def test_a_key_with_a_wrong_name_or_scope_is_refused(args: list[str]) -> None:
    result = CliRunner().invoke(main, ["key", "new", *args])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
