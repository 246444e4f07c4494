"""A bucket that machines share, by an fsspec URL: s3://bucket/folder, gs://, abfs:// or memory://.

The only place that knows fsspec: it is imported late, and what goes wrong with it becomes SharedStoreError here. No
error and no log line of ours repeats what fsspec or a service said, for that may hold an address with a password.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import RefusedError, SharedStoreError
from .backend import READ_MAX_BYTES

LOG = logging.getLogger(__name__)
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (PermissionError, "access to it was denied"),
    (FileNotFoundError, "it is not there"),
    (TimeoutError, "time ran out"),
    (OSError, "it could not be reached"),
    (Exception, "it did not work"),
)
# by what their addresses begin with: libraries that can create what is not there
PACKAGES = {
    **{"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"},
    **{"abfs": "adlfs", "abfss": "adlfs", "az": "adlfs"},
}
CHATTY = ("fsspec", "s3fs", "aiobotocore", "botocore", "gcsfs", "adlfs", "azure")
RETRY_DELAYS_S = (0.2, 0.8)
PATIENCE_S = 10.0  # what took longer is not tried again: a request of the person waits for it
SEEN_MAX = 4096
SETTLE_S = 1.0  # where to create an object is not one step
ADVICE = "Fix the store, or unset OPENAI_IMAGE_NODES_STORE to work with this machine's own."

T = TypeVar("T")


class FsspecClient:
    """The connection to one URL, opened when it is first used."""

    def __init__(self, url: str) -> None:
        self.url = _clean(url)
        self._protocol = url.partition("://")[0]
        self._lock = threading.Lock()
        self._fs: Any = None
        self._root = ""
        self._conditional: bool | None = None
        self._seen: dict[str, tuple[bytes, float]] = {}

    @property
    def root(self) -> str:
        """The bucket's name and the folder in it, as fsspec has them."""
        self._opened()
        return self._root

    @property
    def is_conditional(self) -> bool:
        """Whether an object can be created in one step and only where there is none; tried out once."""
        if self._conditional is None:
            self._conditional = self._protocol in PACKAGES and self.do(self._refuses_a_second)
        return self._conditional

    def do(self, step: Callable[[Any], T], **missing: T) -> T:
        """Do something with the file system, again if need be; `missing` is the result where nothing is there.

        Raises: SharedStoreError.
        """
        fs, started = self._opened(), time.monotonic()
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                return step(fs)
            except FileNotFoundError as exc:
                if missing:
                    return missing["missing"]
                raise self._failure(exc) from None
            except Exception as exc:  # noqa: BLE001 - every library has errors of its own
                is_late = time.monotonic() - started > PATIENCE_S
                if delay_s is None or is_late or isinstance(exc, PermissionError):
                    raise self._failure(exc) from None
            time.sleep(delay_s)
        raise AssertionError("the last try returns or raises")

    def unchanged_s(self, path: str, data: bytes) -> float:
        """Return since when this process knows an object as it is, in seconds."""
        now = time.monotonic()
        with self._lock:
            if len(self._seen) > SEEN_MAX:
                self._seen.clear()
            known, since = self._seen.get(path, (b"", now))
            if known != data:
                self._seen[path], since = (data, now), now
            return now - since

    def _opened(self) -> Any:
        with self._lock:
            if self._fs is None:
                self._fs, self._root = self._open()
            return self._fs

    def _open(self) -> tuple[Any, str]:
        package = PACKAGES.get(self._protocol)
        try:
            core = importlib.import_module("fsspec.core")
        except ImportError:
            raise _not_installed(self.url, f"fsspec {package or ''}".strip()) from None
        for name in CHATTY:  # at DEBUG they write prompts, pictures and headers
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.INFO)
        try:
            fs, root = core.url_to_fs(
                self.url, use_listings_cache=False, skip_instance_cache=True, **_options(self._protocol)
            )
        except ImportError:
            raise _not_installed(self.url, package or f"the package of {self._protocol}://") from None
        except Exception as exc:  # noqa: BLE001 - every library has errors of its own
            raise self._failure(exc) from None
        if self._protocol in ("s3", "s3a"):
            fs.retries = 1  # of 5, at 15 s or more for a server that accepts and says nothing
        return fs, str(root).rstrip("/")

    def _refuses_a_second(self, fs: Any) -> bool:
        path = f"{self._root}/probes/{uuid.uuid4().hex}"
        try:
            return created(fs, path, b"first") and not created(fs, path, b"second")
        except Exception as exc:  # noqa: BLE001 - older libraries and some services do not know the option
            fs.pipe_file(path, b"plain")  # raises where it is the bucket that fails
            LOG.info("%s cannot create objects exclusively (%s)", self.url, type(exc).__name__)
            return False
        finally:
            with contextlib.suppress(Exception):
                fs.rm_file(path)

    def _failure(self, exc: Exception) -> SharedStoreError:
        words = _code(exc) or next(words for kind, words in REASONS if isinstance(exc, kind))
        if any("Credentials" in type(one).__name__ for one in (exc, exc.__cause__)):  # botocore's, google.auth's
            words = "no key for it was found"
        return SharedStoreError(
            f"The shared store {self.url} cannot be used ({words}). {ADVICE}", code=_code(exc) or None
        )


class BucketBackend:
    """Objects below one name in a bucket. Every step is made at least once: a lost answer must not stop a farm."""

    heartbeat_s = 12.0
    trusted_s = 20.0  # nobody follows a claim that was fresh so short a time ago

    def __init__(self, bucket: FsspecClient, base: str = "") -> None:
        self._bucket = bucket
        self._base = base

    @property
    def is_exclusive(self) -> bool:
        """Whether the bucket can create an object only where there is none; where not, the last writer has it."""
        return self._bucket.is_conditional

    def at(self, name: str) -> BucketBackend:
        """Return the backend below."""
        return BucketBackend(self._bucket, f"{self._base}{name}/")

    def names(self, beginning: str = "") -> list[str]:
        """Return the names that begin so: one request for each thousand."""
        full = self._path(beginning)
        folder, _, prefix = full.rpartition("/")
        found: list[str] = self._bucket.do(lambda fs: list(fs.find(folder, prefix=prefix)), missing=[])
        start = len(self._path(""))
        return [name[start:] for name in found if name.startswith(full)]

    def read(self, name: str, max_bytes: int = READ_MAX_BYTES) -> bytes | None:
        """Return the beginning of an object, or None."""
        return self._bucket.do(lambda fs: beginning(fs, self._path(name), max_bytes), missing=None)

    def write(self, name: str, data: bytes) -> None:
        """Replace an object."""
        self._bucket.do(lambda fs: fs.pipe_file(self._path(name), data))

    def create(self, name: str, data: bytes) -> bool:
        """Make an object that is not there; looked at twice where this is not one step."""
        if self.is_exclusive:
            if self._bucket.do(lambda fs: created(fs, self._path(name), data)):
                return True
        elif self.read(name) is None:
            self.write(name, data)
            time.sleep(SETTLE_S)
        return self.read(name) == data  # ours also where an earlier try arrived and only its answer was lost

    def touch(self, name: str, data: bytes) -> None:
        """Replace an object, so that others see it change."""
        self.write(name, data)

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._bucket.do(lambda fs: fs.rm_file(self._path(name)), missing=None)

    def age_s(self, name: str, data: bytes) -> float:
        """Return for how long this process has seen an object unchanged: no two clocks are compared."""
        return self._bucket.unchanged_s(self._path(name), data)

    def _path(self, name: str) -> str:
        return f"{self._bucket.root}/{self._base}{name}"


def created(fs: Any, path: str, data: bytes) -> bool:
    """Make an object that must not be there; False if it is. Raises: whatever the file system does."""
    try:
        fs.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    except OSError as exc:
        if _code(exc) in ("PreconditionFailed", "412"):  # said in another way than s3fs expects
            return False
        raise
    return True


def beginning(fs: Any, path: str, max_bytes: int) -> bytes:
    """Return what an object begins with. Raises: whatever the file system does."""
    try:
        return bytes(fs.cat_file(path, start=0, end=max_bytes))
    except FileNotFoundError:
        raise
    except Exception:
        if fs.size(path) == 0:  # of nothing no part is to be had, as S3 has it: 416 InvalidRange
            return b""
        raise


def _code(exc: BaseException) -> str:
    """Return the service's own short word for what went wrong, or nothing."""
    response = getattr(exc.__cause__ or exc, "response", None)
    error = response.get("Error") if isinstance(response, dict) else None
    code = str(error.get("Code", "")) if isinstance(error, dict) else ""
    return code if re.fullmatch(r"\w{1,60}", code) else ""


def _options(protocol: str) -> dict[str, Any]:
    """Return what fsspec should know beside its own settings: tries are counted here, and not twice."""
    if protocol not in ("s3", "s3a"):
        return {}
    told = importlib.import_module("fsspec.config").conf.get(protocol, {})
    once: dict[str, Any] = {} if os.environ.get("AWS_MAX_ATTEMPTS") else {"retries": {"total_max_attempts": 1}}
    # s3fs asks for an object's size before each read, unless it may read it in one piece only
    return {"max_concurrency": 1, **told, "config_kwargs": {**once, **told.get("config_kwargs", {})}}


def _not_installed(url: str, packages: str) -> SharedStoreError:
    command = f"pip install {packages}"
    return SharedStoreError(f"The shared store {url} needs a package that is not installed: {command}. {ADVICE}")


def _clean(url: str) -> str:
    """Return a store's URL without a slash at its end.

    Raises: RefusedError if it holds a password or a query; the message does not repeat it.
    """
    scheme, _, rest = url.partition("://")
    place = rest.partition("/")[0]
    has_user = "@" in rest and not scheme.startswith(("ab", "az"))  # abfs://container@account has no password
    if has_user or (":" in place and not re.fullmatch(r"[^@:]*:\d+", place)) or re.search(r"[?#]", rest):
        raise RefusedError(
            "OPENAI_IMAGE_NODES_STORE holds a key or a query, which would end up in lists and logs. Name the bucket"
            " alone, as in s3://bucket/folder, and give the key in the environment (AWS_ACCESS_KEY_ID and its like)."
        )
    return url.rstrip("/")
