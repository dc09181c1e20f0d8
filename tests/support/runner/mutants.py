"""Run mutmut on the pure cores, and fail if a mutant survives that tests/mutants.md does not explain.

`make mutants` runs it. Arguments are mutmut's: `make mutants ARGS="service.core.queue*"` tries the mutants of a module.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_EXPLANATIONS = Path(__file__).parents[2] / "mutants.md"
_MUTMUT = (sys.executable, "-m", "mutmut")
_SURVIVORS = ("survived", "no tests", "suspicious")


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every mutant was killed or is explained, else 1. Raises if the tests fail without a mutant."""
    subprocess.run([*_MUTMUT, "run", *arguments], check=True)
    explanations = _EXPLANATIONS.read_text()
    unexplained = 0
    for name in survivors(_output("results")):
        diff = _output("show", name)
        if not is_explained(diff, explanations):
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


def is_explained(diff: str, explanations: str) -> bool:
    """Return whether each line that the mutant adds is quoted in the explanations, between backticks."""
    added = [line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    return bool(added) and all(f"`{line}`" in explanations for line in added)


def _output(*arguments: str) -> str:
    return subprocess.run([*_MUTMUT, *arguments], check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
