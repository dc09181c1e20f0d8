"""Simple commands of a shell block, and a check that their programs, options and files exist."""

import importlib.util
import json
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import click

from autoscaler.cli import main as likewise_autoscaler
from service.cli import main as likewise
from service.settings import Settings

ROOT = Path(__file__).parents[3]
_SCHEMA = ROOT / "helm" / "likewise" / "values.schema.json"
_HEREDOC = re.compile(r"<<(\w+)\n.*?^\1$", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(r"^\w+\(\) ", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^(\w+)=")
_SEPARATORS = {"&&", "||", "|", ";", "&", "{", "}", "(", ")", "();", "()", ";;"}
# Programs that are not ours, with nothing in their arguments that we could check.
_OTHERS = {"cd", "docker", "git", "kind", "npm", "openssl", "curl", "base64", "sed", "gunicorn", "for", "do", "done"}


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a shell block; of a console block, of each line that `$` begins."""
    if re.match(r"^\$ ", text):
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    text = _FUNCTION.sub("", _HEREDOC.sub("", text)).replace("\\\n", " ")
    for line in text.splitlines():
        yield from _split(line)


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _SEPARATORS:
            if words:
                yield words
            words = []
        else:
            words.append(word)


def check(words: list[str]) -> None:
    """Raise AssertionError where a command uses what does not exist."""
    while words and (assigned := _ASSIGNMENT.match(words[0])):
        _check_setting(assigned[1])
        words = words[1:]
    if not words:
        return
    program, *arguments = words
    if program == "export":
        check(arguments)
        return
    name = program.removeprefix(".venv/bin/")
    assert name in _CHECKS or name in _OTHERS, f"unknown program {program}: check it, or mark the block as not run"
    if name in _CHECKS:
        _CHECKS[name](arguments)


def _check_setting(variable: str) -> None:
    name = variable.removeprefix("LIKEWISE_").lower()
    if variable.startswith("LIKEWISE_") and not variable.startswith(("LIKEWISE_AUTOSCALER_", "LIKEWISE_DRILL_")):
        assert name in Settings.model_fields or name in {"url", "key"}, f"there is no setting {variable}"


def _check_make(arguments: list[str]) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for argument in arguments:
        if not _ASSIGNMENT.match(argument):
            assert argument in targets, f"there is no make target {argument}"


def _check_click(command: click.Command) -> Callable[[list[str]], None]:
    def check_arguments(arguments: list[str]) -> None:
        arguments = [argument for argument in arguments if argument not in {">", "<"}]
        current, rest = command, arguments
        while isinstance(current, click.Group):
            assert rest, f"{current.name} needs a command"
            found = current.commands.get(rest[0])
            assert found, f"there is no command {rest[0]}"
            current, rest = found, rest[1:]
        options = {name for parameter in current.params for name in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= options | {"--help"}, f"there is no option {used - options}"

    return check_arguments


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        module = arguments[1]
        assert importlib.util.find_spec(module), f"there is no module {module}"
    else:
        _check_file(arguments)
    for argument in arguments:
        if argument.startswith("tests/"):
            assert (ROOT / argument).exists(), argument


def _check_file(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).exists(), arguments[0]


def _check_kubectl(arguments: list[str]) -> None:
    for option, value in pairwise(arguments):
        reads_file = option in {"-k", "kustomize"} or (option == "-f" and "logs" not in arguments)
        if reads_file and "/" in value and "://" not in value:
            assert (ROOT / value).exists(), value


def _check_helm(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.startswith("helm/"):
            assert (ROOT / argument).exists(), argument
    for option, value in pairwise(arguments):
        if option in {"--set", "--set-json", "--set-string"}:
            for assignment in re.split(r",(?=\w+[.=])", value):
                _check_value(assignment.partition("=")[0])


def _check_value(name: str) -> None:
    schema = json.loads(_SCHEMA.read_text())
    found = schema
    for part in re.sub(r"\[\d+\]", "", name).split("."):
        if "$ref" in found:
            found = schema["definitions"][found["$ref"].rpartition("/")[2]]
        others = found.get("additionalProperties")
        found = found.get("properties", {}).get(part, others if isinstance(others, dict) else {})
    assert found, f"the chart has no value {name}"


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": _check_make,
    "likewise": _check_click(likewise),
    "likewise-autoscaler": _check_click(likewise_autoscaler),
    "python": _check_python,
    "python3": _check_python,
    "sh": _check_file,
    "node": _check_file,
    "kubectl": _check_kubectl,
    "helm": _check_helm,
}
