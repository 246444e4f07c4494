"""`python -m bench.collect`: how fast a finished batch comes into the store, beside plain writing to the same disk.

The batch's file lies on the disk already, as after the download. Pictures are noise, so nothing compresses them.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

MODEL = "gpt-image-2"
SERVICE = "https://api.openai.com/v1"
USAGE = {"input_tokens": 20, "output_tokens": 1000, "total_tokens": 1020}


def main() -> None:
    """Measure both, each in a process of its own, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--megabytes", type=float, default=1.5, help="of one picture")
    parser.add_argument("--only", choices=["collect", "write"], help="used by itself")
    parser.add_argument("--folder", type=Path, help="used by itself")
    options = parser.parse_args()
    if options.only:
        return {"collect": collect, "write": write}[options.only](options.folder)
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told)
        prepare(folder, options.answers, int(options.megabytes * 1e6))
        for name in ("write", "collect", "write", "collect"):
            subprocess.run(  # noqa: S603
                [sys.executable, "-m", "bench.collect", "--only", name, "--folder", str(folder)], check=True, cwd=ROOT
            )
            _forget_answers(folder)
    return None


def prepare(folder: Path, answers: int, size: int) -> None:
    """Write a plan, a batch and its output file."""
    import pack

    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(folder / "home")
    records, plan = pack.part("api.batch.records"), pack.part("api.batch.plan")
    store = pack.part("api.store.store").stores()[0]
    identities = [f"{number:064x}" for number in range(answers)]
    told = {"connection": "openai batch", "service": SERVICE, "operation": "generations", "model": MODEL}
    for identity in identities:
        plan.JobPlan(store).write(plan.PlannedJob(identity=identity, fields={"prompt": "noise"}, **told))
    record = records.BatchRecord(
        id="bench", count=answers, state=records.SUBMITTED, output_file_id="file-bench", **told
    )
    record.status = "completed"
    records.BatchLedger(store).begin(record, identities)
    with (records.BatchLedger(store).folder("bench") / "output.jsonl").open("wb") as file:
        for identity in identities:
            picture = base64.b64encode(b"\x89PNG" + os.urandom(size - 4)).decode()
            body = {"created": 1, "data": [{"b64_json": picture}], "usage": USAGE}
            answer = {"status_code": 200, "request_id": "req", "body": body}
            line = {"id": "batch_req", "custom_id": identity, "response": answer, "error": None}
            file.write(json.dumps(line).encode() + b"\n")


def collect(folder: Path) -> None:
    """Bring the batch into the store, its file kept for the next round."""
    import pack

    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(folder / "home")
    os.environ["OPENAI_IMAGE_NODES_STORE_MAX_BYTES"] = "1000000000000"
    store = pack.part("api.store.store").stores()[0]
    records, collect_module = pack.part("api.batch.records"), pack.part("api.batch.collect")
    book = records.BatchLedger(store)
    link = pack.part("api.connections.resolve").Connection("openai batch", SERVICE, batch=True)
    work = collect_module.BatchCollector(store, link, book.all()[0], lambda _words: None)
    work._ledger.drop_large_files = lambda _record: None
    started = time.perf_counter()
    record = work.collect()
    _print("collect", record.answered, folder, time.perf_counter() - started)


def write(folder: Path) -> None:
    """Decode and write the same pictures, one after the other, each on the disk before the next."""
    target = folder / "plain"
    target.mkdir()
    started, count = time.perf_counter(), 0
    with next((folder / "home").rglob("output.jsonl")).open("rb") as file:
        for count, line in enumerate(file, 1):
            data = base64.b64decode(json.loads(line)["response"]["body"]["data"][0]["b64_json"])
            with (target / f"{count}.png").open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
    _print("write", count, folder, time.perf_counter() - started)


def _print(name: str, count: int, folder: Path, seconds: float) -> None:
    size = next((folder / "home").rglob("output.jsonl")).stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<8} {count} answers, {size / 1e6:.0f} MB of lines: {seconds:.2f} s, {size / 1e6 / seconds:.0f} MB/s,"
        f" peak {peak:.0f} MB",
        flush=True,
    )


def _forget_answers(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "plain", ignore_errors=True)
    shutil.rmtree(folder / "home" / "store" / "jobs", ignore_errors=True)
    import pack

    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(folder / "home")
    store = pack.part("api.store.store").stores()[0]
    records = pack.part("api.batch.records")
    book = records.BatchLedger(store)
    for record in book.all():
        record.state = records.SUBMITTED
        book.write(record)


if __name__ == "__main__":
    main()
