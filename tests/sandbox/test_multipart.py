"""Forms are read the same in whatever pieces they come: one parser serves whole bodies and uploads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.sandbox.requests.multipart import MultipartParser, PartHead, boundary_of

# Data that looks like the form around it: line ends, dashes, most of a delimiter.
DATA = (b"", b"\r\n", b"\r\n--", b"\r\n--bound", b"--boundary\r\n", b"\r\n\r\n", bytes(range(256)) * 3)
HEADS = [PartHead("n", None, ""), PartHead("file", "f\u00fcchse.png", "image/png")]


def form(first: bytes, second: bytes) -> bytes:
    return b"".join(
        [
            b"preamble\r\n--boundary\r\nContent-Disposition: form-data; name=n\r\n\r\n" + first,
            '\r\n--boundary\r\nContent-Disposition: form-data; name="file"; filename="f\u00fcchse.png"\r\n'.encode(),
            b"Content-Type: image/png\r\n\r\n" + second + b"\r\n--boundary--\r\nepilogue",
        ]
    )


def parts_of(pieces: list[bytes]) -> list[tuple[PartHead, bytes]]:
    parser, found = MultipartParser("boundary"), []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, PartHead):
                found.append((event, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + event)
    parser.close()
    return found


@pytest.mark.slow
@given(st.sampled_from(DATA), st.sampled_from(DATA), st.lists(st.integers(0, 2000), max_size=8))
def test_pieces_change_nothing(first: bytes, second: bytes, cuts: list[int]) -> None:
    """A cut may lie anywhere: in a delimiter, in a head, between two parts."""
    body = form(first, second)
    ends = sorted({min(cut, len(body)) for cut in cuts} | {len(body)})
    pieces = [body[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    assert parts_of(pieces) == list(zip(HEADS, (first, second), strict=True))


def test_byte_by_byte() -> None:
    """The smallest pieces there are."""
    body = form(b"1", b"\r\n--boundar")
    assert parts_of([body[at : at + 1] for at in range(len(body))]) == list(
        zip(HEADS, (b"1", b"\r\n--boundar"), strict=True)
    )


@pytest.mark.parametrize("end", range(1, 30))
def test_form_that_is_cut_off_is_refused(end: int) -> None:
    """Without the last delimiter, whatever of it came."""
    body = form(b"1", b"2").removesuffix(b"--\r\nepilogue")
    with pytest.raises(RefusedError, match="could not parse the multipart form"):
        parts_of([body[:-end]])


def test_head_over_a_delimiter_is_refused() -> None:
    """A part without its blank line does not borrow the next part's."""
    body = b"--boundary\r\nContent-Disposition: form-data; name=a\r\n" + form(b"1", b"2")
    with pytest.raises(RefusedError):
        parts_of([body])


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=b", "b"),
        ('Multipart/Form-Data; charset=utf-8; boundary="b c"', "b c"),
        ("multipart/mixed; boundary=b", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_boundary_is_that_of_a_form(content_type: str, boundary: str | None) -> None:
    """Another kind of body has none."""
    assert boundary_of(content_type) == boundary
