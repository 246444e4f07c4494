"""Content Credentials are found in files that others signed, and a stranger's bytes do no harm."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_image_nodes.utils.c2pa import Credentials, credentials_of
from support.signed_pictures import CREDENTIALS, FORMS, jumbf, png_with, signed, unsigned

UNKNOWN = Credentials(None, None)


@pytest.mark.parametrize("form", FORMS)
def test_credentials_of_every_format_are_found(form: str) -> None:
    """Issuer and program are those that the reference implementation wrote."""
    assert credentials_of(signed(form)) == CREDENTIALS


@pytest.mark.parametrize("form", FORMS)
def test_pictures_without_credentials_have_none(form: str) -> None:
    """Absent is told apart from unreadable."""
    assert credentials_of(unsigned(form)) is None


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"no picture at all", b"RIFF", b"GIF89a", b"\xff\xd8\xff"])
def test_what_is_no_picture_has_none(data: bytes) -> None:
    """Nothing is raised."""
    assert credentials_of(data) is None


def test_jpeg_box_in_many_segments_is_joined() -> None:
    """A box of more than 64 KB is cut into segments, each with the box's header again."""
    box = jumbf(filler=150_000)
    header, places = box[:8], range(8, len(box), 60_000)
    bodies = [
        b"JP" + struct.pack(">HI", 1, number) + header + box[at : at + 60_000]
        for number, at in enumerate(places, start=1)
    ]
    segments = b"".join(b"\xff\xeb" + struct.pack(">H", 2 + len(body)) + body for body in bodies)
    plain = unsigned("jpg")
    assert credentials_of(plain[:2] + segments + plain[2:]) == Credentials("Made Up Ltd", "Painter 1")


def test_last_manifest_is_the_one_in_force() -> None:
    """An edit appends a manifest; the older ones stay in the store."""
    older, newer = jumbf(generator="Old"), jumbf(generator="New")
    store = older[8 : 8 + int.from_bytes(older[8:12], "big")] + b"".join(
        one[8 + int.from_bytes(one[8:12], "big") :] for one in (older, newer)
    )
    assert credentials_of(png_with(struct.pack(">I", 8 + len(store)) + b"jumb" + store)) == Credentials(
        "Made Up Ltd", "New 1"
    )


def test_text_of_credentials_is_one_bounded_line() -> None:
    """It comes into a report, a page and a terminal."""
    found = credentials_of(png_with(jumbf(generator="a\x1b[31m\n\u202e" + "x" * 5000)))
    assert found is not None
    assert found.generator is not None
    assert len(found.generator) <= 200
    assert found.generator.isprintable()


@pytest.mark.parametrize(
    "box",
    [
        b"\0",
        b"\0\0\0\x08jumb",
        b"\xff\xff\xff\xffjumb",
        struct.pack(">I", 1) + b"jumb" + b"\xff" * 8,
        b"\0\0\0\0jumb" + b"\0\0\0\0jumb" * 5000,
        jumbf(claim=b"\x81" * 100_000),  # lists in lists
        jumbf(claim=b"\x9b" + b"\xff" * 8),  # a list of 2^64 things
        jumbf(claim=b"\xbf" + b"\x00" * 1_000_000),  # a map that never ends
        jumbf(claim=b"\x5b" + b"\xff" * 8),
        jumbf(signature=b"\x84\x40\xa1\x18\x21\x41\x30"),  # a certificate of one byte
        jumbf(signature=b"\x84\x40\xa1\x18\x21\x46\x30\x84\xff\xff\xff\xff"),
    ],
)
def test_credentials_that_cannot_be_read_are_present_all_the_same(box: bytes) -> None:
    """That there are some is known; what they say is not."""
    found = credentials_of(png_with(box))
    assert found is not None
    assert None in (found.issuer, found.generator)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(form=st.sampled_from(FORMS), at=st.integers(0, 5000), with_what=st.binary(min_size=1, max_size=8))
def test_damaged_credentials_never_raise(form: str, at: int, with_what: bytes) -> None:
    """Any byte of a signed picture may be anything."""
    data = signed(form)
    credentials_of(data[:at] + with_what + data[at + len(with_what) :])
    credentials_of(data[:at])


def test_checksum_of_a_chunk_is_not_needed() -> None:
    """A broken checksum is the decoder's business."""
    data = png_with(jumbf())
    wrong = data.replace(struct.pack(">I", zlib.crc32(jumbf(), zlib.crc32(b"caBX"))), b"\0\0\0\0")
    assert credentials_of(wrong) == Credentials("Made Up Ltd", "Painter 1")


def test_signed_pictures_are_small(tmp_path: Path) -> None:
    """They are part of the repository."""
    assert max(len(signed(form)) for form in FORMS) < 6000
