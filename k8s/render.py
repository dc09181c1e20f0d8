"""Render k8s/base from the chart's default values, so that both have the same objects. `make manifests` runs this.

Everything that only Helm uses is left out: hooks, Helm's labels and checksums, and generated Secrets. Jobs get a
constant name. The migration Job runs the phase `pre` only, because with plain manifests no signal shows when the last
old pod is gone.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = ROOT / "k8s" / "base"
# Components with a folder of their own, so that an overlay can leave them out.
_OWN_FOLDERS = {"redis", "postgres"}
_SOURCE = re.compile(r"^# Source: likewise/templates/([\w-]+)/([\w-]+)\.yaml\n", re.MULTILINE)
_KIND = re.compile(r"^kind: (\w+)$", re.MULTILINE)
_HELM_ONLY = re.compile(
    r"^ +(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n"
    r"|^ +annotations:\n +# A changed setting restarts the pods\.\n +checksum/config: .*\n"
    r"|^ +annotations:\n +checksum/config: .*\n",
    re.MULTILINE,
)
_EMPTY_LINE = re.compile(r"^ *\n", re.MULTILINE)
_PHASE = re.compile(r"(- --phase\n +- )all$", re.MULTILINE)
_JOB_NAME = re.compile(r"^(  name: likewise-(?:migration|redis-join))-[0-9a-f]{8}$", re.MULTILINE)


def render_chart() -> str:
    """Return the chart with default values, rendered for a first install."""
    command = ["helm", "template", "likewise", str(ROOT / "helm" / "likewise"), "--no-hooks"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def build_manifests(rendered: str) -> dict[Path, str]:
    """Return the text of each file, by its path below `BASE`."""
    documents: dict[Path, list[str]] = defaultdict(list)
    for document in rendered.split("\n---\n"):
        source = _SOURCE.search(document)
        if source and (path := _path(source[1], source[2], document)):
            documents[path].append(_strip_helm_parts(document[source.end() :]))
    files = {path: "---\n".join(texts) for path, texts in documents.items()}
    folders = sorted({path.parent for path in files})
    return files | {folder / "kustomization.yaml": _kustomization(folder, files) for folder in folders}


def _path(folder: str, name: str, document: str) -> Path | None:
    """Return the file that the document belongs to, or None if only Helm uses it."""
    kind = _KIND.search(document)
    hook_account = (folder, name) == ("migration", "rbac")
    if kind is None or kind[1] == "Secret" or hook_account or "component: test" in document:
        return None
    return Path(folder) / f"{name}.yaml" if folder in _OWN_FOLDERS else Path("likewise") / f"{folder}.yaml"


def _strip_helm_parts(document: str) -> str:
    document = _PHASE.sub(r"\1pre", _JOB_NAME.sub(r"\1", document))
    document = _HELM_ONLY.sub("", document)
    # Empty lines in a ConfigMap belong to the scripts that it holds.
    if "kind: ConfigMap" not in document:
        document = _EMPTY_LINE.sub("", document)
    return document.strip() + "\n"


def _kustomization(folder: Path, files: dict[Path, str]) -> str:
    names = sorted(path.name for path in files if path.parent == folder)
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:"]
    return "\n".join([*lines, *(f"  - {name}" for name in names)]) + "\n"


def main() -> None:
    """Write the manifests, and delete files that are no longer rendered."""
    manifests = build_manifests(render_chart())
    for path in sorted(BASE.glob("*/*.yaml")):
        if path.relative_to(BASE) not in manifests:
            path.unlink()
    for path, text in manifests.items():
        (BASE / path).parent.mkdir(parents=True, exist_ok=True)
        (BASE / path).write_text(text)
    sys.stdout.write(f"{len(manifests)} files in {BASE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
