"""Makes example_workflows/ again from real runs on the sandbox: NAME.json, NAME.png and NAME.jpg of each example."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pack
import runs
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sheets import thumbnail

LONGEST_SIDE = 1200


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
    picture = stem.with_name(f"{stem.name}.png")
    save_small(done.pictures[0], picture)
    print(f"{stem.name}: {picture.stat().st_size / 1e3:.0f} kB, {done.reports[0]['size']}")


def save_small(source: Path, target: Path) -> None:
    """Copy a PNG with the workflow in it; a large one scaled down, as nobody needs more to see what it is."""
    with Image.open(source) as picture:
        if max(picture.size) <= LONGEST_SIDE:
            shutil.copyfile(source, target)
            return
        texts = PngInfo()
        for key, text in picture.info.items():
            if isinstance(text, str):
                texts.add_text(key, text)
        scale = LONGEST_SIDE / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture.resize(size, Image.Resampling.BOX).save(target, pnginfo=texts, optimize=True)


if __name__ == "__main__":
    main()
