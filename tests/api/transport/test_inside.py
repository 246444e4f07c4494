"""No answer makes this machine ask what is inside its network: real sockets, and a resolver that says what it is told.

127.0.0.2 stands for an address of the internet, 127.0.0.1 and 127.0.0.3 for what they are.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.errors import BadAnswerError
from openai_image_nodes.api.transport import client, downloads, sessions
from openai_image_nodes.api.transport.sessions import INSIDE, Patience, is_public, names_inside
from support.capture import picture, success
from support.node_calls import node

PUBLIC = "127.0.0.2"
PORTS = range(20_000, 32_000)  # which no system hands out by itself, so that a port is free at each address
Answer = tuple[int, dict[str, str], bytes]


class Place:
    """A server at one address; `answers` by path, and every byte that came is seen."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.asked: list[str] = []
        self.opened = 0
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                super().setup()
                place.opened += 1

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                place.asked.append(f"{self.command} {self.path}")
                status, headers, told = place.answers.get(self.path, lambda: (404, {}, b""))()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(told))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told)
                del body

            do_GET = do_POST = _answer

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Names:
    """A resolver: each name has a row of addresses, the last of which stays."""

    def __init__(self) -> None:
        self.told: dict[str, list[list[str]]] = {}
        self._own = socket.getaddrinfo

    def says(self, name: str, *answers: str | list[str]) -> None:
        self.told[name] = [[one] if isinstance(one, str) else one for one in answers]

    def __call__(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name not in self.told:
            if not name.replace(".", "").replace(":", "").isalnum() or name.endswith(".test"):
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return self._own(host, port, *args, **options)
        row = self.told[name]
        addresses = row.pop(0) if len(row) > 1 else row[0]
        return [found for address in addresses for found in self._own(address, port, *args, **options)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(sessions, "is_public", lambda address: address == PUBLIC or is_public(address))
    monkeypatch.setattr(downloads, "is_public", lambda address: address == PUBLIC or is_public(address))
    monkeypatch.setattr(downloads, "DOWNLOAD_PAUSES_S", ())
    monkeypatch.setattr(sessions, "_peers", {})
    return names


@pytest.fixture
def places() -> Iterator[Callable[..., Place]]:
    """Makes servers that are closed in the end."""
    made: list[Place] = []

    def place(address: str, port: int = 0) -> Place:
        made.append(Place(address, port))
        return made[-1]

    yield place
    for one in made:
        one.close()


@pytest.fixture
def relay(names: Names, places: Callable[..., Place]) -> Place:
    """A relay in the internet, over http as its owner allowed."""
    place = places(PUBLIC, random.choice(PORTS))  # some tests want the same one at another address
    names.says("relay.test", PUBLIC)
    entry = {"base_url": f"http://relay.test:{place.port}/v1", "allow_http": True, "key": "sk-planted-0123456789"}
    Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json").write_text(
        json.dumps({"connections": {"relay": entry}})
    )
    return place


def gives(place: Place, url: str, *, closes: bool = False) -> None:
    """Let a relay answer with a picture at an address."""
    body = json.dumps({"created": 1, "data": [{"url": url}]}).encode()
    headers = {"Content-Type": "application/json", **({"Connection": "close"} if closes else {})}
    place.answers["/v1/images/generations"] = lambda: (200, headers, body)


def here() -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "image/png"}, picture()


def test_picture_in_the_internet_is_fetched(relay: Place) -> None:
    """What is allowed works."""
    gives(relay, "/files/1.png")
    relay.answers["/files/1.png"] = here
    assert node(connection="relay")[0].shape[-1] == 3


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.3", "::1"])
def test_name_that_leads_inside_gets_no_byte(
    names: Names, relay: Place, places: Callable[..., Place], address: str
) -> None:
    """Whatever the name says; not even the beginning of an encrypted connection."""
    names.says("pictures.test", address)
    listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.settimeout(20)
    gives(relay, f"https://pictures.test:{listener.getsockname()[1]}/x.png")
    with pytest.raises(BadAnswerError, match=INSIDE):
        node(connection="relay")
    connected, _ = listener.accept()
    connected.settimeout(20)
    assert connected.recv(1) == b""
    connected.close()
    listener.close()


def test_name_that_leads_elsewhere_at_each_look_is_judged_by_where_it_led(
    names: Names, relay: Place, places: Callable[..., Place]
) -> None:
    """The first answer of the resolver is of the internet, the next is not: DNS rebinding."""
    inside = places("127.0.0.1")
    names.says("pictures.test", PUBLIC, "127.0.0.1")
    gives(relay, f"https://pictures.test:{inside.port}/x.png")
    for _ in range(3):
        with pytest.raises(BadAnswerError):
            node(connection="relay")
    assert inside.asked == []


def test_relays_own_name_that_begins_to_lead_inside_is_not_followed(
    names: Names, relay: Place, places: Callable[..., Place]
) -> None:
    """Its own address may be asked over http, but where it was in the internet it stays there."""
    inside = places("127.0.0.1", relay.port)
    gives(relay, "/admin/delete-everything", closes=True)
    names.says("relay.test", PUBLIC, "127.0.0.1")
    with pytest.raises(BadAnswerError, match=INSIDE):
        node(connection="relay")
    assert (len(relay.asked), inside.asked) == (1, [])


@pytest.mark.parametrize(
    "target", ["https://127.0.0.1:{port}/x", "https://inside.test:{port}/x", "//inside.test:{port}/x"]
)
def test_redirect_inside_is_not_followed(names: Names, relay: Place, places: Callable[..., Place], target: str) -> None:
    """Neither to an address nor to a name."""
    inside = places("127.0.0.1")
    names.says("inside.test", "127.0.0.1")
    location = target.format(port=inside.port)
    gives(relay, "/files/1.png")
    relay.answers["/files/1.png"] = lambda: (302, {"Location": location}, b"")
    with pytest.raises(BadAnswerError):
        node(connection="relay")
    assert inside.asked == []


def test_one_of_several_addresses_inside_is_not_asked(names: Names, relay: Place, places: Callable[..., Place]) -> None:
    """The first does not answer, the second is inside."""
    inside = places("127.0.0.1", relay.port)
    gives(relay, "/files/1.png", closes=True)

    def gone() -> Answer:
        relay.close()
        return 200, {"Connection": "close"}, json.dumps({"data": [{"url": "/files/1.png"}]}).encode()

    relay.answers["/v1/images/generations"] = gone
    names.says("relay.test", PUBLIC, [PUBLIC, "127.0.0.1"])
    relay.close = lambda: None if relay._server.fileno() == -1 else Place.close(relay)  # type: ignore[method-assign]
    with pytest.raises(BadAnswerError):
        node(connection="relay")
    assert inside.asked == []


def test_connection_that_is_open_is_judged_too(names: Names, places: Callable[..., Place]) -> None:
    """One that a request of ours opened to a machine inside is no way in for a stranger's address."""
    inside = places("127.0.0.1")
    url = f"http://127.0.0.1:{inside.port}/x"
    inside.answers["/x"] = here
    with client.send("GET", url, patience=Patience(20, 20)) as response:
        assert response.content
    with pytest.raises(Exception, match=INSIDE), client.send("GET", url, patience=Patience(20, 20, public_only=True)):
        pass
    with client.send("GET", url, patience=Patience(20, 20)) as response:
        assert response.content
    assert inside.asked == ["GET /x", "GET /x"]


def test_proxy_is_not_sent_inside_by_name(
    names: Names, relay: Place, places: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy resolves names itself: what a name says for itself is judged before it is asked."""
    proxy = places(PUBLIC)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://{PUBLIC}:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    base = f"http://relay.test:{relay.port}"
    for seed, url in enumerate(["https://169.254.169.254/x", "https://2852039166/x", "https://0xa9.254.43518/x"]):
        body = json.dumps({"data": [{"url": url}]}).encode()
        proxy.answers[f"{base}/v1/images/generations"] = lambda body=body: (200, {}, body)  # type: ignore[misc]
        with pytest.raises(BadAnswerError):
            node(connection="relay", seed=seed)
    assert proxy.asked == [f"POST {base}/v1/images/generations"] * 3


def test_relay_inside_may_have_its_pictures_there(names: Names, relay: Place, places: Callable[..., Place]) -> None:
    """Where the connection itself leads inside, that is its owner's choice."""
    inside = places("127.0.0.3")
    names.says("relay.test", "127.0.0.3")
    file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
    file.write_text(file.read_text().replace(str(relay.port), str(inside.port)))
    gives(inside, "/files/1.png")
    inside.answers["/files/1.png"] = here
    assert node(connection="relay")[0].shape[-1] == 3


INSIDE_ADDRESSES = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1", "not an address", "", "1.2.3"),
]
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", INSIDE_ADDRESSES)
def test_address_inside_is_known_in_every_dress(address: str) -> None:
    """Loopback, private, link-local, shared, reserved; as such, or inside an IPv6 address that leads there."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_address_of_the_internet_is_known_in_every_dress(address: str) -> None:
    """A network without IPv4 reaches all of it through NAT64."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "10.1", "0", "0x0a.0.0.1"),
        *("localhost", "LOCALHOST.", "a.localhost", "printer.local", "metadata.google.internal", "router.lan"),
        *("intranet", "[::1]".strip("[]"), "::ffff:7f00:1", "fe80::1%25eth0", "kubernetes.default.svc.cluster.local"),
    ],
)
def test_name_that_says_that_it_is_inside_is_known(host: str) -> None:
    """In decimal, octal, hexadecimal, short, and by the endings that no public name has."""
    assert names_inside(host)


@pytest.mark.parametrize("host", ["images.example.com", "8.8.8.8", "134744072", "2606:4700::1111", "cdn.localhost.com"])
def test_name_of_the_internet_is_none_of_those(host: str) -> None:
    """They are fetched."""
    assert not names_inside(host)


ODD = [
    *("http://169.254.169.254/latest", "http://[fe80::1]/x", "ftp://relay.test/x", "file:///etc/passwd", "gopher://x/"),
    *("https://user@relay.test/x", "https://relay.test\\@127.0.0.1/x", "https://relay.test%5c@127.0.0.1/x"),
    *("https:///x", "https://\u202e127.0.0.1/x", "https://127.0.0.1\x00.relay.test/x", "https://[fe80::1/x"),
    *("https://\uff11\uff12\uff17.0.0.1/x", "https://%31%32%37.0.0.1/x", "https://127\u30020\u30020\u30021/x"),
]


@pytest.mark.parametrize("url", ODD)
def test_odd_address_is_not_asked_and_told(relay: Place, places: Callable[..., Place], url: str) -> None:
    """Whatever parser might read what out of it."""
    gives(relay, url)
    with pytest.raises(BadAnswerError):
        node(connection="relay")
    assert relay.asked == ["POST /v1/images/generations"]


def test_picture_beside_an_odd_address_is_had(relay: Place) -> None:
    """A paid picture is not withheld for an address beside it."""
    body = success()
    body["data"].append({"url": "https://127.0.0.1:1/x"})
    relay.answers["/v1/images/generations"] = lambda: (200, {}, json.dumps(body).encode())
    image, _, report = node(connection="relay", n=2)
    assert len(image) == 1
    assert [note for note in report["notes"] if INSIDE in note]
