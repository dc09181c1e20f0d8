"""Run mutmut on the pure cores, and fail if a mutant survives that tests/mutants.md does not explain.

`make mutants` runs it. Arguments are mutmut's: `make mutants ARGS="service.core.queue*"` tries the mutants of a module.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_EXPLANATIONS = Path(__file__).parents[2] / "mutants.md"
_MUTMUT = (sys.executable, "-m", "mutmut")
# mutmut writes it before and after the name of a method's class.
_CLASS_SEPARATOR = "ǁ"
_SURVIVORS = ("survived", "no tests", "suspicious")


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every mutant was killed or is explained, else 1. Raises if the tests fail without a mutant."""
    subprocess.run([*_MUTMUT, "run", *arguments], check=True)
    explanations = _EXPLANATIONS.read_text()
    unexplained = 0
    for name in survivors(_output("results")):
        diff = _output("show", name)
        if not is_explained(name, diff, explanations):
            unexplained += 1
            print(diff)
    print(f"{unexplained} mutants survived that {_EXPLANATIONS.name} does not explain.")
    return 1 if unexplained else 0


def survivors(results: str) -> Iterator[str]:
    """Yield the names in the output of `mutmut results` that no test killed."""
    for line in results.splitlines():
        name, _, status = line.strip().partition(": ")
        if status in _SURVIVORS:
            yield name


def is_explained(name: str, diff: str, explanations: str) -> bool:
    """Return whether the explanations have a row for each line that the mutant adds.

    A row begins with the module and the function, then the line, each between backticks.
    """
    added = [line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    return bool(added) and all(f"| `{place(name)}` | `{line}` |" in explanations for line in added)


def place(name: str) -> str:
    """Return the module and the function of a mutant: `queue.sums` for `service.core.queue.x_sums__mutmut_2`."""
    module, _, function = name.rpartition(".")
    function = function.rpartition("__mutmut_")[0].rpartition(_CLASS_SEPARATOR)[2]
    return f"{module.rpartition('.')[2]}.{function.removeprefix('x_')}"


def _output(*arguments: str) -> str:
    return subprocess.run([*_MUTMUT, *arguments], check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
