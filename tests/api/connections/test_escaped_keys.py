"""Keys that come back in other writings, are stored by two at once, or lie open."""

from __future__ import annotations

import base64
import json
import logging
import os
import textwrap
import threading
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api import config
from openai_image_nodes.api.connections import keys, resolve
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.api.transport.error_mapping import error_from_exception, error_from_response
from pydantic import SecretStr

KEY = "sk-planted/0123456789+abcdef"
CONNECTION = Connection("relay", "https://host/v1", key=SecretStr(KEY))
FORMS = [
    "\\u0073" + KEY[1:],
    KEY.replace("/", "\\/"),
    "".join(f"\\u00{ord(char):02X}" for char in KEY),
    quote(KEY, safe=""),
    quote(KEY, safe="").lower(),
    "".join(f"%{ord(char):02x}" for char in KEY),
    json.dumps(json.dumps("".join(f"\\u{ord(char):04x}" for char in KEY)))[3:-3],
    KEY.replace("/", "\\\\/").replace("+", "\\\\u002B"),
    quote(quote(KEY, safe=""), safe=""),
    "".join(f"%2525{ord(char):02X}" for char in KEY),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [1, 3, 7, 10_000])
def test_key_in_escapes_is_taken_out_wherever_it_is_cut(form: str, cut: int) -> None:
    """Whoever reads the JSON, or the address, would have it."""
    said = f'{{"message": "your key {form} is bad\\n", "x": "100%"}}'.encode()
    chunks = [said[at : at + cut] for at in range(0, len(said), cut)]
    assert b"".join(CONNECTION.redacted_chunks(chunks)) == said.replace(form.encode(), b"[key]")


IN_WORDS = {
    "capitals": KEY.upper(),
    "other capitals": KEY.swapcase(),
    "broken line": f"{KEY[:9]}\n   {KEY[9:]}",
    "hidden marks": "\u200b".join([KEY[:9], KEY[9:20], KEY[20:]]),
    "entities": "".join(f"&#{ord(char)};" for char in KEY),
    "entities of entities": KEY.replace("/", "&amp;#x2F;").replace("+", "&#x2b;"),
    "hex": KEY.encode().hex().upper(),
    "dump of hex": KEY.encode().hex(" "),
    "broken base64": "\n".join(textwrap.wrap(base64.b64encode(KEY.encode()).decode(), 16)),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {KEY}\n".encode()).decode(),
    "base64 of a login": base64.urlsafe_b64encode(f"user:{KEY}".encode()).decode(),
    "escapes of a program": KEY.replace("/", "\\x2f"),
    **{f"escapes {at}": form for at, form in enumerate(FORMS)},
}


@pytest.mark.parametrize("form", IN_WORDS.values(), ids=IN_WORDS)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_key_is_in_no_words_whatever_its_form(form: str, charset: str) -> None:
    """A log, a page or a gateway writes it in its own way, and people show errors to others."""
    told = form if form in FORMS else json.dumps(form)[1:-1]  # as it stands in JSON
    body = f'{{"error": {{"message": "the key {told} is bad", "param": "{told}"}}}}'.encode(charset)
    error = error_from_response(CONNECTION, 400, {}, body, subject="m")
    assert "the key" in str(error)
    for shown in (str(error), str(error.param)):
        assert form not in shown
        assert form[len(form) // 2 :][:6] not in shown


def test_word_in_a_header_of_ones_own_is_no_key() -> None:
    """It may be in a prompt that the service says back; what may be a key is none of the words."""
    relay = Connection("relay", "https://host/v1", headers={"X-Team": "pictures", "X-Key": "planted-3"})
    assert relay.without_secrets_in("Pictures of PLANTED-3") == "Pictures of [key]"
    assert relay.without_secrets(b"pictures of planted-3") == b"pictures of [key]"


@pytest.mark.parametrize("name", ["X-Api-Key", "X-Api-Password", "Subscription-Key", "Cookie", "x-access-token"])
def test_word_in_a_header_for_secrets_is_a_key(name: str) -> None:
    """A password may be a word; the header's name tells."""
    relay = Connection("relay", "https://host/v1", headers={name: "correcthorse"})
    assert relay.without_secrets_in("no correcthorse here") == "no [key] here"


def test_words_without_a_key_stay() -> None:
    """Also those that begin like one."""
    words = "sk-plan, SK-PLANTED/ and c2stcGxhbnRl are none; 736b2d706c61 neither"
    assert CONNECTION.without_secrets_in(words) == words


@pytest.mark.slow
@given(st.lists(st.sampled_from([b"\\", b"%", b"s", b"sk", b"\\u0073", b"%73", b"k-planted", b" "])))
def test_what_is_no_key_is_passed_on_whole(pieces: list[bytes]) -> None:
    """Nothing gets lost at the cuts."""
    assert b"".join(CONNECTION.redacted_chunks(pieces)) == b"".join(pieces)


def test_keys_that_are_stored_at_once_are_all_kept() -> None:
    """Who read the file before the other wrote would write the other's away."""
    names = [f"relay {number}" for number in range(12)]
    gate = threading.Barrier(len(names))

    def store(name: str) -> None:
        gate.wait()
        keys.store(name, f"key-of-{name.replace(' ', '-')}", "https://host/v1")

    threads = [threading.Thread(target=store, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(resolve.stored()) == set(names)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes are of other systems")
def test_open_keys_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """They work all the same."""
    keys.store("relay", KEY, "https://host/v1")
    caplog.set_level(logging.WARNING)
    resolve.stored()
    assert caplog.messages == []
    (config.folder() / "connections.json").chmod(0o644)
    assert "relay" in resolve.stored()
    assert "0600" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("model", [".", ".."])
def test_model_is_one_segment_of_a_path(model: str) -> None:
    """Azure has it in the address."""
    azure = Connection("azure", "https://host/openai", deployment_paths=True)
    with pytest.raises(RefusedError):
        azure.url("images/generations", model)
    assert azure.url("x", "../a?b#c\\d") == "https://host/openai/deployments/..%2Fa%3Fb%23c%5Cd/x"


@pytest.mark.parametrize(
    "address", ["http://me:pa55word@proxy:3128", "socks5://me:pa/55word@proxy", "//x://:pa55word@h"]
)
def test_password_of_a_proxy_is_in_no_error(address: str) -> None:
    """Libraries repeat the address of a proxy that does not work."""
    error = error_from_exception(CONNECTION, OSError(f"cannot use '{address}'"), complete=False, sent_at="now")
    assert "55word" not in str(error)
    assert "proxy" in str(error) or "h" in str(error)


def test_endless_code_is_shortened() -> None:
    """It is in every message."""
    body = json.dumps({"error": {"message": "no", "code": "c" * 1_000_000}}).encode()
    error = error_from_response(CONNECTION, 400, {}, body, subject="m")
    assert len(str(error)) < 2000
    assert len(error.code or "") <= 100
