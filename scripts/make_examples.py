"""Makes example_workflows/ anew from real runs on the sandbox: NAME.json, NAME.png and NAME.jpg of each example."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pack
import runs
from sheets import thumbnail


def main() -> None:
    """Run every example and write its three files."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["OPENAI_IMAGE_NODES_HOME"] = home
        for done in runs.run_all(pack.EXAMPLES):
            write(done, pack.EXAMPLES / done.title)


def write(done: runs.Done, stem: Path) -> None:
    """Write the workflow and the thumbnail; the picture is already there."""
    text = json.dumps(done.workflow, indent=2)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    thumbnail(done.before(), done.after()).save(stem.with_name(f"{stem.name}.jpg"), quality=88, optimize=True)
    print(f"{stem.name}: {done.picture.stat().st_size / 1e3:.0f} kB, {done.report['size']}")


if __name__ == "__main__":
    main()
