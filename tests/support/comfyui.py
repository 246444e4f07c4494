"""A real ComfyUI as a child process, with a copy of this pack in a folder of an awkward name."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "my-pack.v1"
PROJECT = "openai-image-nodes"
KEY = "sk-planted-in-the-environment-0123456789"
NOT_COPIED = (".*", "__pycache__", "*.egg-info", "build", "node_modules", "demo_output", "e2e_output")
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02
DONE = ("execution_success", "execution_error", "execution_interrupted")


class ComfyUI:
    """ComfyUI of `path`, started with `python`, with everything it writes below `folder`; a context manager."""

    def __init__(self, path: Path, python: Path, folder: Path, *arguments: str, **environment: str) -> None:
        self.base, self.home = folder / "base", folder / "state"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.client_id, self.pack_folder = "e2e", FOLDER
        self._path, self._python, self._arguments = path, python, arguments
        self._environment, self._log = environment, folder / "comfyui.log"
        self._http = requests.Session()
        self._http.trust_env = False

    def __enter__(self) -> ComfyUI:
        pack = self.base / "custom_nodes" / self.pack_folder
        shutil.copytree(ROOT, pack, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (self.base / "user").mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command(), cwd=self._path, env=self._variables(), stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What ComfyUI wrote to its output so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def connect(self, **base_urls: str) -> None:
        """Write connections.json with connections of these names."""
        self.home.mkdir(exist_ok=True)
        entries = {name: {"base_url": url} for name, url in base_urls.items()}
        (self.home / "connections.json").write_text(json.dumps({"connections": entries}), encoding="utf-8")

    def file(self, path: str) -> requests.Response:
        """Return the answer to a GET."""
        return self._http.get(f"{self.address}{path}", timeout=60)

    def json(self, path: str) -> Any:
        """Return the JSON answer to a GET."""
        answer = self.file(path)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Return the answer to a POST of JSON."""
        return self._http.post(f"{self.address}{path}", json=body, timeout=60)

    def queue(self, prompt: Mapping[str, Any], workflow: Mapping[str, Any] | None = None) -> str:
        """Queue a prompt as the browser does and return its id."""
        extra = {"extra_data": {"extra_pnginfo": {"workflow": workflow}}} if workflow else {}
        answer = self.post("/prompt", {"prompt": prompt, "client_id": self.client_id, **extra})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def ended(self, prompt_id: str, *, within_s: float = 60.0) -> Run:
        """Wait for the end of a prompt, well or not."""
        limit = time.monotonic() + within_s
        while time.monotonic() < limit:
            entry = self.json(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                return Run(entry)
            time.sleep(POLL_S)
        raise AssertionError(f"the prompt did not end within {within_s} s. ComfyUI says:\n{self.log[-3000:]}")

    def run(self, prompt: Mapping[str, Any], workflow: Mapping[str, Any] | None = None) -> Run:
        """Queue a prompt and wait for its end."""
        return self.ended(self.queue(prompt, workflow))

    def saved(self, image: Mapping[str, str]) -> Path:
        """Return the file of a picture that a run names among its outputs."""
        return self.base / image["type"] / image["subfolder"] / image["filename"]

    def newest_run(self) -> Run:
        """Return the run that ended last."""
        return Run(list(self.json("/history").values())[-1])

    def newest_picture(self, prefix: str) -> Path:
        """Return the file of this beginning that Save Image wrote last, in its folder or below."""
        folder = self.base / "output"
        pictures = [path for path in folder.rglob("*.png") if path.relative_to(folder).as_posix().startswith(prefix)]
        pictures = [path for path in pictures if b"workflow" in path.read_bytes()]  # Save Original writes the service's
        return max(pictures, key=lambda path: path.stat().st_mtime_ns)

    def _command(self) -> list[str]:
        database = f"sqlite:///{(self.base / 'user' / 'comfyui.db').as_posix()}"
        where = ["--listen", "127.0.0.1", "--port", str(self.port), "--base-directory", str(self.base)]
        return [str(self._python), "main.py", "--cpu", *where, "--database-url", database, *self._arguments]

    def _variables(self) -> dict[str, str]:
        ours = ("OPENAI_", "AZURE_OPENAI_", "COMFY_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        quiet = {"HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1,localhost"}
        return {**inherited, **quiet, "OPENAI_IMAGE_NODES_HOME": str(self.home), **self._environment}

    def _wait_until_it_answers(self) -> None:
        limit = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < limit and self._process.poll() is None:
            try:
                self.json("/queue")
            except requests.RequestException:
                time.sleep(0.2)
            else:
                return
        self.__exit__()
        raise AssertionError(f"ComfyUI did not start. It says:\n{self.log[-3000:]}")


class Run:
    """A prompt that ended: how, when, and what it left."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.prompt_id = str(entry["prompt"][1])
        self.outputs: dict[str, Any] = entry["outputs"]
        self.messages: dict[str, dict[str, Any]] = {name: data for name, data in entry["status"]["messages"]}
        self.end = next((name for name in self.messages if name in DONE), "no end")

    @property
    def seconds(self) -> float:
        """The time from the start of the run to its end."""
        return (self.ended_at_ms - float(self.messages["execution_start"]["timestamp"])) / 1000

    @property
    def ended_at_ms(self) -> float:
        """When it ended, in milliseconds since 1970."""
        return float(self.messages[self.end]["timestamp"])

    @property
    def failure(self) -> str:
        """What went wrong, in short, for the message of an assertion."""
        return f"{self.end}: {self.error}" if self.end == "execution_error" else self.end

    @property
    def error(self) -> str:
        """The message of the node that failed."""
        return str(self.messages["execution_error"]["exception_message"])

    @property
    def images(self) -> list[dict[str, str]]:
        """The pictures that were saved."""
        return [image for output in self.outputs.values() for image in output.get("images", [])]


def named(folder: Path, *arguments: str, **environment: str) -> ComfyUI:
    """Return the ComfyUI that COMFYUI_PATH and COMFYUI_PYTHON name, to be entered."""
    path, python = Path(os.environ["COMFYUI_PATH"]), Path(os.environ["COMFYUI_PYTHON"])
    return ComfyUI(path.absolute(), python.absolute(), folder, *arguments, **environment)


def named_with_frontend(folder: Path, *arguments: str, **environment: str) -> ComfyUI:
    """Return it with the frontend that COMFYUI_FRONTEND names, and the pack in a folder as the registry installs it."""
    frontend = os.environ.get("COMFYUI_FRONTEND")
    root = ["--front-end-root", str(Path(frontend).absolute())] if frontend else []
    comfyui = named(folder, *root, *arguments, **environment)
    comfyui.pack_folder = PROJECT
    return comfyui


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
