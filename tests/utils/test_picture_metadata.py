"""Texts go into a finished file; its pixels and all else that it holds stay byte for byte."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_image_nodes.utils.c2pa import credentials_of
from openai_image_nodes.utils.containers import jpeg_segments, png_chunks, riff_chunks
from openai_image_nodes.utils.picture_metadata import NoPlaceError, with_texts
from openai_image_nodes.utils.svg import clean_svg
from PIL import Image, PngImagePlugin
from support.signed_pictures import CREDENTIALS, signed, unsigned

TEXTS = {"workflow": json.dumps({"nodes": ["caf\u00e9", "]]>"]}), "prompt": json.dumps({"1": {"inputs": {}}})}
CHUNKED = ("png", "jpg", "webp")
PREFIXES = {f"{name}:" for name in TEXTS}


def parts(form: str, data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and contents of every part of a file; behind a JPEG's segments all its coded pixels."""
    read: dict[str, Any] = {"png": png_chunks, "webp": riff_chunks, "jpg": jpeg_segments}
    found = list(read[form](data))
    return [*((one.kind, one.body(data)) for one in found), (b"rest", data[found[-1].end :])]


def texts_of(data: bytes) -> dict[str, str]:
    """Return what Pillow reads of workflow and prompt, as ComfyUI's page looks for them."""
    with Image.open(io.BytesIO(data)) as picture:
        if picture.format == "PNG":
            return {name: picture.info[name] for name in TEXTS}
        told = [value for value in picture.getexif().values() if isinstance(value, str)]
    return dict(value.split(":", 1) for value in told if value.split(":")[0] in TEXTS)  # type: ignore[misc]


def pixels(data: bytes) -> tuple[str, bytes]:
    """Return mode and pixels."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.mode, picture.tobytes()


def saved(form: str, picture: Image.Image, **options: Any) -> bytes:
    """Return a picture as a file."""
    out = io.BytesIO()
    picture.save(out, {"jpg": "JPEG"}.get(form, form.upper()), **options)
    return out.getvalue()


def photo(mode: str = "RGB") -> Image.Image:
    """Return a small picture."""
    return Image.radial_gradient("L").resize((37, 23)).convert(mode)


@pytest.mark.parametrize("form", CHUNKED)
@pytest.mark.parametrize("source", [signed, unsigned])
def test_texts_are_read_and_all_other_parts_stay(form: str, source: Any) -> None:
    """What was put in is found by others; every part of before is there, in its order, byte for byte."""
    before = source(form)
    after = with_texts(before, TEXTS)
    assert texts_of(after) == TEXTS
    assert pixels(after) == pixels(before)
    old, new = parts(form, before), parts(form, after)
    assert [one for one in new if one in old] == [one for one in old if one[0] != b"VP8X"]
    added = {kind for kind, body in new if (kind, body) not in old}
    assert added <= {b"tEXt", b"\xe1", b"EXIF", b"VP8X"}


@pytest.mark.parametrize("form", CHUNKED)
def test_credentials_stay_in_the_file(form: str) -> None:
    """Their box is not touched; that the signature no longer holds is told elsewhere."""
    assert credentials_of(with_texts(signed(form), TEXTS)) == CREDENTIALS


@pytest.mark.parametrize(
    "before",
    [
        saved("webp", photo(), lossless=True),
        saved("webp", photo("RGBA"), lossless=True),
        saved("webp", photo(), quality=80),
        saved("webp", photo("RGBA"), quality=80),
        saved("webp", photo(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", icc_profile=b"profile", xmp=b"<x/>"),
        saved("webp", photo(), save_all=True, append_images=[photo().rotate(90)]),
    ],
)
def test_webp_of_every_kind(before: bytes) -> None:
    """Lossless and lossy, with alpha, profile, XMP, EXIF or frames; Pillow reads it all as before."""
    after = with_texts(before, TEXTS)
    assert texts_of(after) == TEXTS
    assert pixels(after) == pixels(before)
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        for name in ("icc_profile", "xmp", "duration"):
            assert old.info.get(name) == new.info.get(name)
        assert getattr(old, "n_frames", 1) == getattr(new, "n_frames", 1)
    assert int.from_bytes(after[4:8], "little") == len(after) - 8
    assert [kind for kind, _ in parts("webp", after)].count(b"EXIF") == 1


@pytest.mark.parametrize("form", ["jpg", "webp"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_what_exif_said_before_is_kept(form: str, order: str) -> None:
    """Orientation, maker, the second directory: nothing of it is lost, in either byte order."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112], exif[0x010F], exif[0x0110], exif[0x0131] = 6, "Maker", "Model", "a program"
    exif[0x8769] = {0x9286: b"a comment"}
    before = saved(form, photo(), exif=exif)
    after = with_texts(before, TEXTS)
    assert texts_of(after) == TEXTS
    with Image.open(io.BytesIO(after)) as picture:
        found = picture.getexif()
        assert [found[tag] for tag in (0x0112, 0x010F, 0x0110, 0x0131)] == [6, "Maker", "Model", "a program"]
        assert found.get_ifd(0x8769)[0x9286] == b"a comment"


@pytest.mark.parametrize("form", CHUNKED)
def test_newest_workflow_is_the_one_that_counts(form: str) -> None:
    """A server that is a ComfyUI itself sends its own workflow in the file."""
    theirs = with_texts(unsigned(form), {name: '"theirs"' for name in TEXTS})
    assert texts_of(with_texts(theirs, TEXTS)) == TEXTS


def test_png_of_a_server_that_is_a_comfyui() -> None:
    """Its chunks stay, ours come last."""
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", '"theirs"')
    after = with_texts(saved("png", photo(), pnginfo=info), TEXTS)
    assert texts_of(after) == TEXTS
    assert b'workflow\0"theirs"' in after


def test_svg_draws_as_before() -> None:
    """The element is where ComfyUI's page looks, its end cannot be written by what is in it."""
    for source in (
        signed("svg"),
        unsigned("svg"),
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg a=">" b=\'">\'><g/></svg>',
    ):
        after = with_texts(source, TEXTS)
        start = after.index(b"<metadata><![CDATA[")
        end = after.index(b"]]></metadata>", start) + len(b"]]></metadata>")
        assert json.loads(after[start + 19 : end - 14]) == {name: json.loads(text) for name, text in TEXTS.items()}
        assert after[:start] + after[end:] == source
        clean_svg(after)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (unsigned("gif"), "GIF has no place"),
        (b"nothing", "no picture"),
        (unsigned("png")[:40], "middle of a part"),
        (unsigned("webp")[:40], "middle of a part"),
        (b"\xff\xd8\xff\xd9", "no picture"),
        (b"<svg/>", "no picture"),
        (b"<svg", "not well formed"),
        (b"RIFF\x04\0\0\0WEBP", "no picture"),
    ],
)
def test_file_without_a_place_is_told(data: bytes, told: str) -> None:
    """No other error comes out."""
    with pytest.raises(NoPlaceError, match=told):
        with_texts(data, TEXTS)


def test_workflow_too_long_for_a_jpeg_is_told() -> None:
    """A segment has 64 KB."""
    with pytest.raises(NoPlaceError, match="65,533 bytes"):
        with_texts(unsigned("jpg"), {"workflow": '"' + "x" * 70_000 + '"'})
    assert len(with_texts(unsigned("webp"), {"workflow": '"' + "x" * 70_000 + '"'})) > 70_000


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(("png", "jpg", "webp", "svg")),
    at=st.integers(0, 4500),
    with_what=st.binary(min_size=1, max_size=8),
)
def test_damaged_file_gives_a_file_or_is_told(form: str, at: int, with_what: bytes) -> None:
    """Any byte of a picture may be anything."""
    data = signed(form)
    for damaged in (data[:at] + with_what + data[at + len(with_what) :], data[:at]):
        with contextlib.suppress(NoPlaceError):
            assert len(with_texts(damaged, TEXTS)) > len(damaged)
