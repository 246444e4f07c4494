"""Stores that were used for years: answers, notes of what was spent today, and a plan, as files and nothing else."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from openai_image_nodes.api.batch.plan import PlannedJob
from openai_image_nodes.api.store import spending
from openai_image_nodes.api.store.records import JobRecord, picture_digests, record_bytes

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)
USD = 0.01
WITH_PICTURES = 100


def identity(number: int) -> str:
    """Return the identity of an answer."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def record(number: int) -> JobRecord:
    """Return the record of an answer."""
    return JobRecord(
        identity=identity(number), service="api.openai.com", connection="openai", operation="generations",
        model="gpt-image-2.6-flare", fields={"size": "1024x1024", "quality": "low", "prompt": "fox"}, state="answered",
        answered_at=time.time() - 100_000 + number, sent_at=1000.0 + number, elapsed_s=float(number % 7),
        pictures=["picture_0.png"], picture_digests=picture_digests([PICTURE]), cost_usd=USD,
    )  # fmt: skip


def fill(root: Path, answers: int) -> None:
    """Write a store with so many answers, and the notes of what they cost today; only some have their pictures."""
    jobs, spent = root / "jobs", root / "spent" / spending.today()
    for folder in (jobs, spent):
        folder.mkdir(parents=True, exist_ok=True)
    text, note = record_bytes(record(0)).decode(), json.dumps({"connection": "openai", "usd": USD})
    for number in range(answers):
        folder = jobs / identity(number)
        folder.mkdir()
        (folder / "record.json").write_text(text.replace(identity(0), identity(number)))
        if number < WITH_PICTURES:
            (folder / "picture_0.png").write_bytes(PICTURE)
        (spent / f"{USD:.6f}_openai_{identity(number)[:32]}.json").write_text(note)


def fill_plan(root: Path, jobs: int) -> None:
    """Write a plan of so many jobs."""
    folder = root / "batch" / "planned"
    folder.mkdir(parents=True, exist_ok=True)
    planned = PlannedJob(
        identity=identity(0), connection="openai batch", service="api.openai.com", operation="generations",
        model="gpt-image-2", fields={"prompt": "fox", "model": "gpt-image-2"},
    )  # fmt: skip
    text = planned.model_dump_json(exclude_none=True)
    for number in range(jobs):
        (folder / f"{identity(number)}.json").write_text(text.replace(identity(0), identity(number)))
