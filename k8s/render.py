"""`make manifests`: writes k8s/base from the chart with its default values, so that both are one.

Left out is what only Helm does: hooks, its labels and checksums, the Secrets it makes. A Job keeps one name, and
migrates by `pre` alone: plain manifests have no moment at which the last old pod is known to be gone.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = ROOT / "k8s" / "base"
_FOLDERS = {"redis": "redis", "postgres": "postgres"}  # each its own: an overlay may leave it out
_HELM_ONLY = re.compile(
    r"^ +(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n|^ +annotations:\n +checksum/config: .*\n", re.MULTILINE
)
_EMPTY_LINE = re.compile(r"^ *\n", re.MULTILINE)
_PHASE = re.compile(r"(- --phase\n +- )all$", re.MULTILINE)
_JOB = re.compile(r"^(  name: likewise-(?:migration|redis-join))-[0-9a-f]{8}$", re.MULTILINE)


def rendered() -> str:
    """The chart's default, as Helm renders it for a first install."""
    command = ["helm", "template", "likewise", str(ROOT / "helm" / "likewise"), "--no-hooks"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def manifests(text: str) -> dict[Path, str]:
    """Each file of the base, by its path below it."""
    files: dict[Path, list[str]] = defaultdict(list)
    for document in text.split("\n---\n"):
        source = re.search(r"^# Source: likewise/templates/([\w-]+)/([\w-]+)\.yaml\n", document, re.MULTILINE)
        if source and (path := _path(source[1], source[2], document)):
            files[path].append(_plain(document[source.end() :]))
    whole = {path: "---\n".join(documents) for path, documents in files.items()}
    return whole | {folder / "kustomization.yaml": _kustomization(folder, whole) for folder in _folders(whole)}


def _path(folder: str, name: str, document: str) -> Path | None:
    kind = re.search(r"^kind: (\w+)$", document, re.MULTILINE)
    if (
        kind is None
        or kind[1] == "Secret"
        or (folder, name) == ("migration", "rbac")
        or "component: test" in document
    ):
        return None
    return Path(_FOLDERS.get(folder, "likewise")) / f"{name if folder in _FOLDERS else folder}.yaml"


def _plain(document: str) -> str:
    document = _PHASE.sub(r"\1pre", _JOB.sub(r"\1", document))
    document = _HELM_ONLY.sub("", document)
    if "kind: ConfigMap" not in document:  # those hold scripts, word for word
        document = _EMPTY_LINE.sub("", document)
    return document.strip() + "\n"


def _folders(files: dict[Path, str]) -> list[Path]:
    return sorted({path.parent for path in files})


def _kustomization(folder: Path, files: dict[Path, str]) -> str:
    names = sorted(path.name for path in files if path.parent == folder)
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:"]
    return "\n".join([*lines, *(f"  - {name}" for name in names)]) + "\n"


def main() -> None:
    """Write the base; files that are no longer in it go."""
    wanted = manifests(rendered())
    for path in sorted(BASE.glob("*/*.yaml")):
        if path.relative_to(BASE) not in wanted:
            path.unlink()
    for path, text in wanted.items():
        (BASE / path).parent.mkdir(parents=True, exist_ok=True)
        (BASE / path).write_text(text)
    sys.stdout.write(f"{len(wanted)} files in {BASE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
