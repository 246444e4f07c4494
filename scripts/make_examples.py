"""Makes example_workflows/ again from real runs on the sandbox: NAME.json, NAME.png and NAME.jpg of each example."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pack
import runs
from sheets import thumbnail


def main() -> None:
    """Run every example and write its three files."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["OPENAI_IMAGE_NODES_HOME"] = home
        for done in runs.run_all(Path(home) / "pictures"):
            write(done, pack.EXAMPLES / done.title)


def write(done: runs.Done, stem: Path) -> None:
    """Write the workflow, the thumbnail, and the picture that carries the workflow; of several the first."""
    text = json.dumps(done.workflow, indent=2)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    thumbnail(done.before(), done.after()).save(stem.with_name(f"{stem.name}.jpg"), quality=88, optimize=True)
    picture = shutil.copyfile(done.pictures[0], stem.with_name(f"{stem.name}.png"))
    print(f"{stem.name}: {picture.stat().st_size / 1e3:.0f} kB, {done.reports[0]['size']}")


if __name__ == "__main__":
    main()
