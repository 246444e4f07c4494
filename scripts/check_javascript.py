"""Check the types of the extension in the browser with TypeScript's compiler, where node and npm are there.

Only those who work on the pack need it: npm installs it into node_modules, at the version of package.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILER = ROOT / "node_modules" / "typescript"
INSTALL = (
    *("install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"),
    *("--prefer-offline", "--fetch-retries=1", "--fetch-timeout=30000"),  # milliseconds
)
INSTALL_TIMEOUT_S = 300


def main() -> int:
    """Return the compiler's verdict, or 0 and a word where it cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        return _skip("there is no node")
    if not _is_installed() and (fault := _install(npm)):
        return _skip(fault)
    check = [node, str(COMPILER / "bin" / "tsc"), "-p", "jsconfig.json"]
    return subprocess.run(check, cwd=ROOT, check=False).returncode  # noqa: S603


def _is_installed() -> bool:
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["typescript"]
    try:
        return bool(json.loads((COMPILER / "package.json").read_text(encoding="utf-8"))["version"] == wanted)
    except (OSError, ValueError, KeyError):
        return False


def _install(npm: str | None) -> str:
    """Return why the compiler could not be installed, or nothing."""
    if npm is None:
        return "there is no npm to install the compiler with"
    try:
        done = subprocess.run([npm, *INSTALL], cwd=ROOT, check=False, timeout=INSTALL_TIMEOUT_S)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"npm could not install the compiler ({exc})"
    return "" if done.returncode == 0 and _is_installed() else "npm could not install the compiler"


def _skip(reason: str) -> int:
    print(f"JavaScript: types were NOT checked: {reason}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
