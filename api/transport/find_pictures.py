"""Where the pictures of an answer stand: in the places that services are known to use, else anywhere in it.

What is found elsewhere is a guess (`Image.guess`): its bytes have to be those of a picture, and not of one that was
sent. Names under which servers say back what they were asked are passed over (docs/service.md, "What real servers do").
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog.schemas import Image
from . import sse
from .base64_json import (
    base64_to_bytes,
    begins_as_picture,
    embedded_pictures,
    from_numbers,
    from_plain_data,
    is_picture,
    is_whole_picture,
    looks_like_base64,
)
from .loose_json import documents

MAX_IMAGES = 64  # more than any request asks for; the rest stays in the answer's own bytes
MAX_DEPTH, MAX_ANY_DEPTH, MAX_VALUES = 8, 64, 200_000
MAX_TEXT_CHARS = 200_000  # of a text in which links are looked for
MAX_UNZIPPED_BYTES, MAX_ZIPPED = 256 << 20, 1000
ZIP_START, ZIP_ENTRY = b"PK\3\4", b"PK\1\2"
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack all there is, whatever its size is told to be
NO_RESULT_FILE = re.compile(r"(^|[^a-z])(masks?|thumb\w*|previews?|partial|sketch|inputs?|reference)([^a-z]|$)", re.I)
ZIP_FAULTS = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)
JSON_STARTS = ("{", "[", '"')
WORD_CHARS, OTHER_CHARS = 64, 500
INSIDE = (  # in this order
    *("data", "images", "output", "outputs", "results", "result", "artifacts", "predictions", "choices", "response"),
    *("candidates", "parts", "generatedImages", "generated_images", "image_urls", "item"),
    *("image", "message", "content", "delta", "b64_json", "image_url", "image_base64", "inlineData", "inline_data"),
    "source",
)
RESULTS = ("output", "outputs", "results", "result")
TEXTS = (
    *("data", "content", "text", "output_text", "result", "results", "output", "outputs", "response", "answer"),
    "parts",
)
RELATIVE_NAMES = ("url", "imageurl", "uri", "href", "fileurl", "downloadurl")
PICTURE_NAMES = (  # as `_by_plain_name` gives them, the best first
    *("b64json", "b64", "base64", "imagebase64", "imagebase64data", "image", "result", "data", "bytes"),
    *("bytesbase64encoded", "imagebytes", "imagedatauri", "svg", *RELATIVE_NAMES),
)
SUFFIX = r"\.(?:png|jpe?g|webp|gif|svg|avif)"
PORT = r"(?::\d{1,5}(?=/))?"  # of a host without a scheme
ADDRESS = re.compile(
    rf"\s*(https?:)?(\\?/){{2}}\S+|\s*/[\w.~%-]+/\S*|\s*([\w.-]+:\d{{1,5}}/)?[\w./~%-]+{SUFFIX}(\?\S*)?\s*$", re.I
)
FILE = re.compile(rf"\s*/?[\w.~%+@-][\w.~%+@/\s-]*{SUFFIX}(\?\S*)?\s*", re.I)  # it may have blanks in it
RELATIVE = re.compile(
    rf"\s*(?=\S*(?:/.|\.\w|\d))(?!n/a\s*$)/?[\w.~%+@-]+{PORT}(/[\w.~%+@-]+)*(\?\S*)?\s*|{FILE.pattern}",
    re.I,
)
FILE_ID, FILE_PATH = re.compile(r"[\w-]{6,100}", re.ASCII), "files/{}/content"  # of OpenAI, Mistral, GigaChat
# Each of these looks at a character once, whatever comes: no link begins within another, and what ends one is told.
MAYBE_PICTURE_LINK = re.compile(
    rf"(https?://[^\s\"'<>()]+)|(?<![\w:/.~%-])/?[\w.~%-]+{PORT}(?:/[\w.~%-]+)+{SUFFIX}(?:\?[^\s\"'<>()]*)?", re.I
)
UP_TO_SUFFIX = re.compile(rf".+{SUFFIX}(?:\?.*)?", re.I)
SEVERAL = re.compile(r"\s(?=https?://)|(?<=png|jpg|peg|ebp|gif)[,;|](?=https?://)", re.I)  # between addresses in a text
DATA_URL = re.compile(  # the base64 may go on in lines
    r"data:image/[\w.+-]+(?:;[\w=-]+)*;base64,[A-Za-z0-9+/=_%-]+(?:\r?\n[A-Za-z0-9+/=_%-]{40,})*"
    r"(?:\r?\n[A-Za-z0-9+/=_%-]+(?=\s*(?:[)\"'<>`]|$)))?",
    re.I,
)
SVG_START, SVG_END = re.compile(r"(?:<\?xml[^<>]*>\s*)?<svg\b", re.I), re.compile(r"</svg>", re.I)
MARKED_LINK = re.compile(
    r"!\[(?:(?!!\[)[^\]]){0,500}\]\(\s*<?((?:(?!\]\()(?:\([^()\s]{1,99}\)|[^)\s>]))+)(?:[\s>](?:(?!\]\()[^)]){0,500})?\)"
    rf"(?:\]\(\s*(https?://[^)\s>]+{SUFFIX})\s*\))?"  # a small one that leads to the picture itself
    r"|<img\b(?:(?!<img\b)[^>])*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)",
    re.I,
)
ANY_LINK = re.compile(r"\]\(\s*<?(https?://[^)\s>]+)|(https?://[^\s\"'<>()\[\]]*[^\s\"'<>()\[\].,;:!?])", re.I)
FENCE = re.compile(r"```\w*\s*")
IS_PAGE = re.compile(r"<(!doctype\s+html|html|head|body)\b", re.I)
SAID_BACK = re.compile(
    r"prompt|input|init_|mask|markup|references?|source_?(image|url|file)|origin_?image|request|param|echo|instruction|control|"
    r"thumb|preview|partial|sketch|avatar|logo|icon|lqip|blur|placeholder|example|schema|docs?_|documentation|help|"
    r"homepage|support|terms|"
    r"cancel|hook|callback|poll|response_url|fetch_result|^(get|self|web|next)$|stream|status_url|error|detail",
    re.I,
)
LINK_NAME = re.compile(
    r"ur[il]|href|link|image|img|pic|photo|file|asset|media|src|download|output|result|location|sample|generated|after"
    r"|edited|final",
    re.I,
)
MADE = re.compile(r"(^|[._])(after|edited|results?|outputs?|final|generated|dst|out)(?=$|[._])", re.I)
SENT_OR_SMALL = re.compile(
    r"(^|[._])(args?|body|before|original|uploaded|src|in|small|low|tiny|mini)(?=$|[._])", re.I
)  # where another name may tell of the picture
ASIDE_KEYS = ("type", "kind", "role", "label")


def known_pictures(document: object, texts: Mapping[str, memoryview], *, final: bool = False) -> list[Image]:
    """Return what stands in the places of pictures, in its order, or nothing if none of it is one.

    `texts` are the long base64 texts that were taken out of the JSON, by the names in their places. A sketch, or what
    was sent, is one where there is nothing else, but if it is to be `final`.
    """
    found = _known_pictures(_finals(document), texts)
    return found if found or final else _known_pictures(document, texts)


def _known_pictures(document: object, texts: Mapping[str, memoryview]) -> list[Image]:
    images: list[Image] = []
    for image in (_image(item, texts) for item in _items(document, texts)):
        addresses = SEVERAL.split(image.url) if image.url else []  # that stand in the place of one
        images += [image.model_copy(update={"url": each.strip(" \r\n\t,;|")}) for each in addresses] or [image]
    return images if any(image.has_picture for image in images) else []


def guessed_pictures(document: object, texts: Mapping[str, memoryview], *, asked: int = 1) -> list[Image]:
    """Return the pictures that stand anywhere in a document; addresses only where there is nothing else.

    Of what may have been sent or is a small copy as many are left out as are more than were `asked` for.
    """
    here: list[tuple[int, Image]] = []
    guesses: list[tuple[int, Image]] = []
    for path, value in _values(document):
        for image in _guesses(path, value, texts):
            found = guesses if image.url else here
            is_one = image.has_picture and (not image.url or LINK_NAME.search(image.other or ""))
            if is_one and len(found) < MAX_IMAGES and all(image != one for _, one in found):
                found.append((_likeness(path), image))
    ranks = sorted((rank for rank, _ in here or guesses), reverse=True)[:asked]
    likely = (image for rank, image in here or guesses if rank >= ranks[-1])
    return [image.model_copy(update={"guess": "place", "other": None}) for image in likely]


def _likeness(path: str) -> int:
    """Return how much a path sounds like that of what was made, rather than of what was sent or of a small copy."""
    return (MADE.search(path) is not None) - (SENT_OR_SMALL.search(path) is not None)


def linked_pictures(document: object) -> list[Image]:
    """Return the plain links in the texts of a reply, or that are all of a value, of which nobody knows whether they
    lead to a picture.
    """
    texts = [(path, text[:MAX_TEXT_CHARS]) for path, text in _values(document) if isinstance(text, str)]
    found = [ANY_LINK.findall(text) for path, text in texts if _last(path) in TEXTS or ANY_LINK.fullmatch(text)]
    links = [first or second for each in found for first, second in each]
    return [Image(url=link, guess="link") for link in dict.fromkeys(links)][:MAX_IMAGES]


def pictures_in_text(body: bytes) -> list[Image]:
    """Return the pictures in what is neither JSON nor a web page, where a page has its own: as base64, as they are, or
    at an address that is all of it. Such are answers in several parts (multipart/mixed).
    """
    if body.lstrip()[:1] in (b"{", b"[") or IS_PAGE.search(body[:MAX_TEXT_CHARS].decode("latin-1")):
        return []
    mark = body.lstrip().partition(b"\n")[0].strip()
    parts = body.split(mark, MAX_IMAGES) if mark.startswith(b"--") and len(mark) > len(b"--") else [body]
    found = [Image(raw=data, guess="place") for part in parts for data in embedded_pictures(part)]
    address = body.strip()[:OTHER_CHARS].decode("latin-1")
    if not found and re.fullmatch(r"https?://\S+", address, re.I):
        return [Image(url=address, guess="place")]
    text = body[:MAX_TEXT_CHARS].decode(errors="replace")
    linked = [] if found else known_pictures(text, {})
    return (found or [image.model_copy(update={"guess": "link"}) for image in linked if image.url])[:MAX_IMAGES]


def unzipped(data: bytes) -> list[bytes]:
    """Return the pictures in a ZIP file, without what its names call a mask or a preview where there is more."""
    if not data.startswith(ZIP_START) or data.count(ZIP_ENTRY) > MAX_ZIPPED:
        return []
    found: list[tuple[str, bytes]] = []
    left = MAX_UNZIPPED_BYTES
    with contextlib.suppress(*ZIP_FAULTS), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.file_size > left or member.compress_type not in ZIP_METHODS:
                continue
            left -= member.file_size
            with contextlib.suppress(*ZIP_FAULTS), archive.open(member) as file:
                if is_picture(content := file.read(member.file_size)):  # to its end would unpack more than is told
                    found.append((member.filename.rpartition("/")[2], content))
    made = [content for name, content in found if not NO_RESULT_FILE.search(name)]
    return (made or [content for _, content in found])[:MAX_IMAGES]


def _items(value: object, texts: Mapping[str, memoryview], depth: int = 0) -> list[object]:
    """Return what an answer has in the places of pictures, in its order."""
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, str):
        return _items_of_text(value, texts, depth)
    value = _list_of(value)
    if isinstance(value, list) and from_numbers(value):
        return [value]
    if isinstance(value, list):
        found = [item for each in value[: MAX_IMAGES + 1] for item in (_items(each, texts, depth + 1) or [each])]
        if not depth:  # of events and documents only those that tell of a picture, or why there is none
            found = [
                one for one in found if _image(one, texts).has_picture or not isinstance(one, dict) or sse.is_error(one)
            ]
        return [
            {"url": each} if isinstance(each, str) and FILE.fullmatch(each) else each for each in found[:MAX_IMAGES]
        ]
    if not isinstance(value, dict):
        return []
    own = _image(value, texts)
    if own.has_picture:
        named = [] if not own.url or "url" in value else map(value.get, RESULTS)  # beside these it is what went out
        results = [item for each in named for item in _items(each, texts, depth + 1)]
        return [item for item in results if _image(item, texts).has_picture] or [value]
    made = [name for name, each in value.items() if isinstance(each, (dict, list)) and MADE.search(name)]
    for name in dict.fromkeys(["data", *(name for name in made if not SAID_BACK.search(name)), *INSIDE]):
        inner = value.get(name)
        if isinstance(inner, (dict, list)) and (items := _items(inner, texts, depth + 1)):
            pictures = [item for item in items if _image(item, texts).has_picture]
            if pictures or name == "data":
                return items if name in ("data", "images") else pictures
        elif isinstance(inner, str) and _image(inner, texts).has_picture:
            return [inner]
    named = _by_plain_name(value)
    if inner := next((named[name] for name in RELATIVE_NAMES if isinstance(named.get(name), list)), None):
        return [{"url": each} if isinstance(each, str) else each for each in inner[:MAX_IMAGES]]
    said = [_items_of_text(value[name], texts, depth + 1) for name in TEXTS if isinstance(value.get(name), str)]
    return next(filter(None, said), [])


def _finals(value: object, depth: int = 0) -> object:
    """Return a value whose lists lack what a model sketched, what was sent, and masks."""
    if isinstance(value, dict) and depth <= MAX_DEPTH:
        return {name: _finals(each, depth + 1) for name, each in value.items()}
    if not isinstance(value, list) or depth > MAX_DEPTH or from_numbers(value):
        return value
    return [_finals(each, depth + 1) for each in value if not (isinstance(each, dict) and _is_aside(each))]


def _is_aside(item: Mapping[str, Any]) -> bool:
    """Tell whether an item says of itself that it is a thought, the user's, or what names of SAID_BACK mean."""
    told = [each for each in map(item.get, ASIDE_KEYS) if isinstance(each, str) and " " not in each]  # else a caption
    is_aside = item.get("thought") is True or sse.is_sketch(item)
    return is_aside or any(each == "user" or SAID_BACK.match(each) for each in told)


def _list_of(value: object) -> object:
    """Return a dict with numbers for its names, as JavaScript writes its arrays, as the list that it was."""
    if not isinstance(value, dict) or not value or not all(str(key).isdecimal() for key in value):
        return value
    return [value[key] for key in sorted(value, key=int)]


def _items_of_text(text: str, texts: Mapping[str, memoryview], depth: int) -> list[object]:
    """Return the pictures in a text: it may be one, hold JSON, or link to them in the ways of chats and web pages."""
    if depth > MAX_DEPTH:
        return []
    if _image(text, texts).has_picture:
        return [text]
    inner = _unfenced(text)
    if inner != text and _image(inner, texts).has_picture:
        return [inner]
    if inner.lstrip()[:1] in JSON_STARTS:
        told = [_items(document, texts, depth + 1) for document in documents(inner)]
        pictures = [item for items in told for item in items if _image(item, texts).has_picture]
        if pictures:
            return pictures
    if drawn := list(_drawings(text)):
        return list[object](drawn)
    links = DATA_URL.findall(text)
    if not links and (found := list(embedded_pictures(text.encode(errors="replace")))):
        return list[object](found)
    links = links or [large or link or source for link, large, source in MARKED_LINK.findall(text[:MAX_TEXT_CHARS])]
    links = links or _picture_links(text[:MAX_TEXT_CHARS])
    return [{"url": link} for link in dict.fromkeys(links)]


def _unfenced(text: str) -> str:
    """Return what stands in a block of code that is all of a text; else the text."""
    plain = text.strip()
    start = FENCE.match(plain)
    return plain[start.end() :].removesuffix("```").rstrip() if start else text


def _drawings(text: str) -> Iterator[str]:
    """Yield the SVG documents in a text, each with its XML declaration."""
    at = 0 if "<" in text else len(text)  # in megabytes of base64 there is none
    while (start := SVG_START.search(text, at)) and (end := SVG_END.search(text, start.end())):
        at = end.end()
        yield text[start.start() : at]


def _drawing_at_start(text: str) -> str | None:
    """Return the SVG document that a text begins with, or None."""
    plain = text.lstrip()
    return next(_drawings(plain), None) if SVG_START.match(plain) else None


def _picture_links(text: str) -> list[str]:
    """Return the links in a text that end as the files of pictures do."""
    links = []
    for link in MAYBE_PICTURE_LINK.finditer(text):
        whole = UP_TO_SUFFIX.match(link[1]) if link[1] else link
        links += [whole[0]] if whole else []
    return links


def _image(item: object, texts: Mapping[str, memoryview]) -> Image:
    """Return the picture of one item, or what stands in its place."""
    item = _list_of(item)
    if isinstance(item, str):
        return _image_of_text(item, texts)
    if data := item if isinstance(item, bytes) else from_numbers(item) if isinstance(item, list) else None:
        return Image(raw=data)
    if not isinstance(item, dict):
        return Image(other=json.dumps(item)[:WORD_CHARS])
    prompt = item.get("revised_prompt")
    revised = prompt if isinstance(prompt, str) else None
    named = _by_plain_name(item)
    found = [image for image in (_image(each, texts) for each in _candidates(named)) if image.has_picture]
    told = (named.get(name) for name in RELATIVE_NAMES)
    found += [Image(url=each.strip()) for each in told if isinstance(each, str) and RELATIVE.fullmatch(each)]
    if len(found) > 1:  # some cut the base64 off where there is an address
        found.sort(key=is_piece)
    if found:
        return found[0].model_copy(update={"revised_prompt": revised})
    if isinstance(file := named.get("fileid"), str) and FILE_ID.fullmatch(file):
        return Image(url=FILE_PATH.format(file), revised_prompt=revised, guess="place")
    own = item.get("b64_json")
    if isinstance(own, str) and own.strip() and own.lstrip()[:1] not in "{[":  # kept as it came
        return Image(b64_json=own, revised_prompt=revised)
    return Image(other=json.dumps(item)[:OTHER_CHARS])


def is_piece(image: Image) -> bool:
    """Tell whether a picture has only begun, so that the rest of it is somewhere else, or still to come."""
    text = image.b64_json or ""
    return begins_as_picture(text) and not is_whole_picture(decoded(text))


def decoded(text: str | memoryview) -> bytes:
    """Return the bytes of base64 text, or nothing for what is none."""
    with contextlib.suppress(ValueError):
        return base64_to_bytes(text)
    return b""


def _by_plain_name(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an object by their names as all spell them: imageURL and image_url are one."""
    return {name.replace("_", "").lower(): value for name, value in reversed(list(item.items()))}


def address_in(text: str) -> str | None:
    """Return the address that a text in the place of a picture is, or None."""
    return text.strip() if ADDRESS.match(text) or RELATIVE.fullmatch(text) else None


def _candidates(named: Mapping[str, Any]) -> Iterator[str | list[Any]]:
    """Yield what stands under an item's names of pictures: texts, and lists of byte values."""
    told = [named[name] for name in PICTURE_NAMES if name in named]
    told += [one["url"] for one in told if isinstance(one, dict) and "url" in one]
    for candidate in map(_list_of, told):
        if isinstance(candidate, str) or (isinstance(candidate, list) and from_numbers(candidate)):
            yield candidate


def _image_of_text(text: str, texts: Mapping[str, memoryview]) -> Image:
    known: str | memoryview = texts.get(text, text)
    if isinstance(known, str) and (drawn := _drawing_at_start(known)):
        return Image(raw=drawn.encode())
    if isinstance(known, str) and (plain := from_plain_data(known)):
        return Image(raw=plain)
    if isinstance(known, str) and ADDRESS.match(known) and not looks_like_base64(known):
        return Image(url=known.strip())
    if looks_like_base64(known):
        return Image(b64_json=known)
    return Image(other=text[:OTHER_CHARS])


def _values(document: object) -> Iterator[tuple[str, object]]:
    """Yield (path, value) of all that is no object, in its order: "result.sample"; items of a list have the list's."""
    waiting: list[tuple[str, object, int]] = [("", document, 0)]
    for _ in range(MAX_VALUES):
        if not waiting:
            return
        path, value, depth = waiting.pop()
        key = _last(path)
        value = _list_of(value)
        if depth > MAX_ANY_DEPTH or SAID_BACK.search(key) or (key == "message" and isinstance(value, str)):
            continue
        if isinstance(value, dict) and value.get("role") != "user" and not sse.is_sketch(value):
            place = path[-OTHER_CHARS:]
            waiting += [(f"{place}.{name[:WORD_CHARS]}", each, depth + 1) for name, each in reversed(value.items())]
        elif isinstance(value, list) and not from_numbers(value):
            waiting += [(path, each, depth + 1) for each in reversed(value[:MAX_VALUES])]
        elif not isinstance(value, dict):
            yield path, value


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _guesses(path: str, value: object, texts: Mapping[str, memoryview]) -> Iterator[Image]:
    """Yield the pictures that one value is or names; `other` says on which path an address stands."""
    if isinstance(value, list) and (data := from_numbers(value)):
        yield Image(raw=data)
    if not isinstance(value, str):
        return
    if begins_as_picture(texts.get(value, value)) or _drawing_at_start(value):
        yield _image_of_text(value, texts)
        return
    if value.lstrip()[:1] in JSON_STARTS:
        for document in documents(value):
            for image in known_pictures(document, texts) or guessed_pictures(document, texts):
                yield image.model_copy(update={"other": path})
    elif re.match(r"\s*(https?:)?//\S+\s*$", value, re.I):
        yield Image(url=value.strip(), other=path)
    else:
        for item in _items_of_text(value, texts, 0):
            yield _image(item, texts).model_copy(update={"other": "link"})
