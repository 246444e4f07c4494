"""The network on the way: redirects, proxies, passwords of other programs, cookies."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError, ServiceDownError
from openai_image_nodes.api.transport import client
from openai_image_nodes.api.transport.error_mapping import error_from_exception
from openai_image_nodes.api.transport.sessions import session_for
from requests.adapters import HTTPAdapter
from support.capture import Capture, failure
from support.node_calls import KEY, node, use_openai


def ssl_fault(said: str) -> ssl.SSLCertVerificationError:
    """Return what Python raises for a certificate that is not accepted."""
    fault = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {said}")
    fault.verify_message = said
    return fault


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


def test_redirects_are_not_followed(server: Capture) -> None:
    """A redirect could carry the key to another host: the other server hears nothing, and it is an error."""
    with Capture() as other:
        server.reply(307, "", {"Location": f"{other.base_url}/v1/images/generations"})
        with pytest.raises(OpenAIImageError, match="307"):
            node()
        assert other.requests == []
    assert len(server.posts) == 1


def test_netrc_does_not_replace_our_key(server: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password for the host in ~/.netrc is for other programs."""
    lines = [f"machine {host} login me password secret" for host in ("127.0.0.1", "api.openai.com")]
    (tmp_path / ".netrc").write_text("\n".join(lines))
    (tmp_path / ".netrc").chmod(0o600)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert requests.utils.get_netrc_auth("https://api.openai.com/v1") == ("me", "secret")
    node()
    ours = requests.Request("POST", "https://api.openai.com/v1", headers={"Authorization": f"Bearer {KEY}"})
    prepared = session_for("https://api.openai.com/v1").prepare_request(ours)
    assert server.last.headers["Authorization"] == prepared.headers["Authorization"] == f"Bearer {KEY}"


def test_proxy_is_not_asked_for_this_machine(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy cannot reach our own loopback, whatever NO_PROXY forgets."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    node()
    assert len(server.posts) == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("host", ["localhost", "images.example"])
def test_certificate_of_ones_own_is_trusted_wherever_it_is_used(
    monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    """The message about one names the variable, and a server that has one often runs beside ComfyUI."""
    trusted: list[object] = []

    def send(_adapter: HTTPAdapter, _request: object, *, verify: object, **_options: object) -> requests.Response:
        trusted.append(verify)
        return requests.Response()

    monkeypatch.setattr(HTTPAdapter, "send", send)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/ours.pem")
    url = f"https://{host}:{len(variable)}/v1/models"  # no other test's: a session stays as it was made
    session_for(url).get(url)
    assert trusted == ["/ours.pem"]


def test_proxy_is_asked_for_other_machines(server: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY works: the proxy gets the whole address."""
    monkeypatch.setenv("HTTP_PROXY", server.base_url)
    monkeypatch.setenv("http_proxy", server.base_url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    relay = {"base_url": "http://images.example/v1", "allow_http": True}
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(json.dumps({"connections": {"relay": relay}}))
    node(connection="relay")
    assert server.last.target == "http://images.example/v1/images/generations"


def test_proxy_that_does_not_connect_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has as long as a connection may take to come about, and not as long as a picture may."""
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.2)
    relay = Connection(name="relay", base_url="https://images.invalid/v1")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def connect_late() -> None:
            connected, _ = listener.accept()
            with connected:
                connected.recv(4096)
                time.sleep(1.0)
                connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        proxy = threading.Thread(target=connect_late)
        proxy.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ServiceDownError, match="time ran out"), client.request(relay, "GET", "models"):
            pass
        proxy.join()
    session_for(relay.base_url).close()


def test_proxy_that_wants_a_password_is_named(server: Capture) -> None:
    """No service ever says 407."""
    server.reply(407, "")
    with pytest.raises(RefusedError, match="a proxy or the protection"):
        node()


def test_cookies_are_not_kept(server: Capture) -> None:
    """What one answer sets does not identify the next request."""
    server.reply(429, failure("slow down"), {"Set-Cookie": "id=1; Path=/", "Retry-After": "0"})
    node()
    assert len(server.posts) == 2
    assert "Cookie" not in server.last.headers


@pytest.mark.parametrize(
    ("base", "exc", "told", "advice"),
    [
        ("http://localhost:8080/v1", ConnectionRefusedError(111, "refused"), "nothing listens", "In a container"),
        ("http://10.0.0.5:8080/v1", ConnectionRefusedError(111, "refused"), "nothing listens", "Check the network"),
        ("http://localhost:8080/v1", socket.gaierror(-2, "unknown"), "not known", "Check the network"),
        ("https://a.example/v1", ssl_fault("Hostname mismatch, certificate is not valid for 'a'"), "", "another name"),
        ("https://a.example/v1", ssl_fault("certificate has expired"), "expired", "out of date"),
        ("https://a.example/v1", ssl_fault("self-signed certificate in certificate chain"), "", "REQUESTS_CA_BUNDLE"),
    ],
)
def test_the_next_step_is_that_of_what_happened(base: str, exc: Exception, told: str, advice: str) -> None:
    """A server of this machine is started, and no file of trust helps a certificate of another name or time."""
    relay = Connection(name="relay", base_url=base)
    caught = requests.ConnectionError(exc)
    error = error_from_exception(relay, caught, complete=False, sent_at="12:00:00 UTC")
    assert type(error) is ServiceDownError
    assert told in str(error)
    assert advice in str(error)
