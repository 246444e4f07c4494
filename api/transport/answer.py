"""What the bytes of an answer mean: by what they are, not by what they are called.

Servers that call themselves compatible label JSON as events and events as JSON, send blanks or comments before it,
leave out fields, or put the picture elsewhere (docs/service.md, "What real servers do"). Only the picture decides:
what is beside it and does not fit is None.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from ..catalog.schemas import Image, OpenAIImageGenerationResponse
from ..connections.connection import Connection
from ..errors import BadAnswerError
from . import sse
from .base64_json import (
    bare_picture,
    base64_to_bytes,
    begins_as_picture,
    extract_base64,
    is_picture,
    is_whole_picture,
    looks_like_base64,
)
from .error_mapping import Asked, error_from_response, says
from .find_pictures import (
    MAX_IMAGES,
    UP_TO_SUFFIX,
    decoded,
    guessed_pictures,
    known_pictures,
    linked_pictures,
    pictures_in_text,
    unzipped,
)
from .loose_json import ended_documents, entries, is_large, utf8
from .page_words import is_of_people, is_text
from .service_words import ServiceWords, service_words, values_in
from .task_words import begun_task, is_running_task, is_waiting, names_task, state_of
from .usage import summed, svg_usage_of, usage_of, word_of

PIECES_BEGIN = 100  # documents among which the first piece of a picture stands
PACKED_SAMPLE_BYTES = 4000
SAID_MAX_CHARS = 300
PACKINGS = ("br", "zstd", "dcb", "dcz", "compress", "x-compress", "snappy", "lz4", "bzip2", "xz")  # see client.py
PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bzip2"}
# of a task that was begun, or of what was made
ADDRESS_HEADERS = ("operation-location", "azure-asyncoperation", "location")
QUOTED_STREAM = re.compile(r"event: (?:image_(?:generation|edit)|response)\.|data: ?\{")


class Reading:
    """What the bytes of an answer mean. Each way to read them is gone once, when somebody first asks."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def lifted(self) -> tuple[bytes, dict[str, memoryview]]:
        """Its text as UTF-8 without the long base64 texts, and these by the names that stand in their places."""
        return extract_base64(utf8(self.body))

    @property
    def _text(self) -> str:  # not kept: of an answer that is cut off within its picture it is another copy of all
        return self.lifted[0].decode("utf-8", errors="replace")

    @cached_property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        return sse.EVENT_STREAM.match(self.lifted[0]) is not None

    @property
    def _is_page(self) -> bool:
        """Whether it is a page or XML as a whole, whatever its scripts hold: texts in JSON may be pages too."""
        return self.lifted[0].lstrip()[:1] == b"<"

    @property
    def is_of_people(self) -> bool:
        """Whether it is a page for people that says nothing of any work."""
        return self._is_page and is_of_people(self.body)

    @cached_property
    def values(self) -> list[Any]:
        """The JSON values in it, for what it says beside pictures."""
        return list(values_in(*self.lifted))

    @cached_property
    def words(self) -> ServiceWords:
        """What it says of an error or a task."""
        return service_words(self.body, self.values)

    @cached_property
    def state(self) -> str:
        """The state of the task that it tells of, or nothing."""
        return next(filter(None, map(state_of, reversed(self.values))), "")

    @cached_property
    def _documents(self) -> list[tuple[object, int]]:
        return list(ended_documents(self._text))

    @cached_property
    def _told(self) -> list[object]:
        """Its events or documents."""
        return list(sse.events([self.lifted[0]])) if self.is_stream else [document for document, _ in self._documents]

    def _ways(self, asked: int = 1) -> Iterator[list[object]]:
        """Yield the JSON documents of it, in each way to read it: as events, and as documents in a text.

        Sketches are left out, but for those of a plain answer that has nothing else. Of one that ends well without a
        picture those are the pictures that came last, as many as were `asked` for.
        """
        if self.is_stream:
            events = [each for each in self._told if not sse.is_partial(each)]
            chat = sse.joined_chat(events, self.lifted[1])
            yield [each for each in events if not sse.is_text_piece(each)] + ([chat] if chat else [])
            if sse.PARTIAL in self._text:
                return
        told = [document for document, _ in self._documents]
        finals = [each for each in told if not sse.is_partial(each)]
        yield finals or ([] if self.is_stream else told)
        if len(told) > len(finals) > 0 and sse.ends_well(told[-1]) and not any(map(sse.is_sketch, told)):
            yield [each for each in told if known_pictures(each, self.lifted[1])][-asked:] or finals
        if self.is_stream:
            yield sse.last_on_their_way(self._told, asked)

    def response(
        self, *, asked: int = 1, sent: Sequence[bytes] = (), guess: bool = True
    ) -> OpenAIImageGenerationResponse | None:
        """Return what it says as a success, or None where it is nothing known; the others as in `parse_answer`."""
        bare = bare_picture(self.body)
        if whole := [Image(raw=each) for each in (unzipped(self.body) if bare is None else [bare])]:
            return OpenAIImageGenerationResponse(data=whole)
        outline, long_texts = self.lifted
        if is_large(outline):
            return None
        told: list[object] = []
        for told in self._ways(asked):
            if asked > 1:  # else what is numbered are steps on the way to one
                told.sort(key=sse.place_of)
            if (joined := _from_pieces(told, long_texts)) is not None:
                return OpenAIImageGenerationResponse(data=[Image(raw=joined)])
            answers = [response_from_document(document, long_texts, sent, final=True) for document in told]
            if not any(one.data for one in answers):
                answers = [response_from_document(document, long_texts, sent) for document in told]
            if with_pictures := [one for one in answers if one.data]:
                if self.is_stream:
                    return _joined(answers, once=any(map(sse.is_of_responses, told)))
                # of one that was asked for, lines of progress may come before the answer
                return _joined(answers, once=True) if asked > 1 else with_pictures[-1]
        has_sketch = sse.PARTIAL in self._text or sse.PARTIAL_INDEX in self._text  # perhaps one that is cut off
        has_sketch = has_sketch or any(map(sse.is_partial, self._told))
        if long_texts and not told and not has_sketch:  # cut off behind its picture
            whole = [Image(b64_json=text) for text in long_texts.values() if looks_like_base64(text)]
            return OpenAIImageGenerationResponse(data=whole[:MAX_IMAGES])
        for quoted in filter(None, map(_quoted_stream, told)):
            inner = Reading(quoted).response(asked=asked, sent=sent, guess=False)
            if inner is not None and inner.data:
                return inner
        for document in reversed(told if guess else []):
            guesses = _not_sent(guessed_pictures(document, long_texts, asked=asked), sent) or linked_pictures(document)
            if guesses:
                return _about(document).model_copy(update={"data": guesses})
        if guess and not self.is_stream and (found := _not_sent(pictures_in_text(self.body), sent)):
            return OpenAIImageGenerationResponse(data=found)
        return _about(told[-1]) if told else None

    @cached_property
    def holds_picture(self) -> bool:
        """Whether it holds a whole picture, even if it did not come to its end."""
        response = self.response()
        images = [image for image in (response.data if response else []) if image.has_picture]
        return any(image.raw is None or is_whole_picture(image.raw) for image in images)

    @property
    def known_picture(self) -> bytes | None:
        """The first picture that stands in a known place and not at another address, or None."""
        response = self.response(guess=False)
        found = (_bytes_of(image) for image in (response.data if response else []) if not image.url)
        return next((data for data in found if is_picture(data)), None)

    @property
    def leads(self) -> list[str]:
        """The first address that it, which is no page and no error, says is a picture's."""
        response = None if self.words.from_service or self._is_page else self.response()
        named = [image.url for image in (response.data if response else []) if image.url and image.guess != "link"]
        return named[:1]

    @property
    def is_finished(self) -> bool:
        """Whether what came so far ends with whole JSON, and is no mere progress: a picture or an error."""
        if not self._documents or self._documents[-1][1] != len(self._text.rstrip()):
            return False
        told = [document for way in self._ways() for document in way]
        return any(known_pictures(each, self.lifted[1]) for each in told) or self.words.from_service

    @property
    def was_begun(self) -> bool:
        """Whether the work was begun before it ended with an error: by a sketch, or progress beyond a queue."""
        if self._is_page:
            return False
        return is_large(self.lifted[0]) or any(map(sse.is_begun, self._told[:-1]))

    @property
    def is_worth_reading(self) -> bool:
        """Whether what came before a process died is all that there is to come: a picture, or of what task it is.

        Events may tell of tasks on their way to the picture, and so of one only where they name it.
        """
        is_named = sse.EVENT_STREAM.match(self.body) is None or any(map(names_task, self.values))
        return self.holds_picture or (is_named and self.tells_of_work())

    def tells_of_work(self, status: int = HTTPStatus.OK) -> bool:
        """Tell whether what came with a status tells of work: a task that goes on, or behind a failure the official
        form with addresses; not these where it was refused, as gateways show pictures of their own. A refusal tells of
        a task only where it names one as such: an id and a state are its own as well, as of a request that was
        throttled.
        """
        is_refusal = 300 <= status < 500 or status == HTTPStatus.SERVICE_UNAVAILABLE
        is_named = not is_refusal or (not self.words.from_service and any(map(names_task, self.values)))
        if self.words.is_task and is_named and any(map(is_waiting, self.values)):
            return True
        told = [] if status < 500 else filter(_is_official, self.values)
        return any(image.url for value in told for image in known_pictures(value, {}))


@dataclass(frozen=True)
class RawAnswer(Reading):
    """A success as it came, so that it can be written down before anything reads it."""

    body: bytes = field(repr=False)
    headers: dict[str, str]
    elapsed_s: float
    count: int = 1  # of the answers in it, one below the other

    @property
    def leads_on(self) -> bool:
        """Whether it tells of a task whose picture may come yet, or where that is to be had."""
        return self.tells_of_work() or bool(addresses_in(self.headers))

    @property
    def request_id(self) -> str | None:
        """The service's own id of the request, for its support."""
        return self.headers.get("x-request-id")


def addresses_in(headers: Mapping[str, str]) -> list[str]:
    """Return where the headers of an answer say that its task is told of, or what was made."""
    return [told for name in ADDRESS_HEADERS if (told := headers.get(name, "").strip())]


def parse_answer(
    raw: RawAnswer,
    connection: Connection,
    *,
    model: str,
    asked: int = 1,
    prompt: str = "",
    sent: Sequence[bytes] = (),
    guess: bool = True,
    waits: bool = False,
) -> OpenAIImageGenerationResponse:
    """Return the pictures of an answer to a `prompt`, of which so many were `asked` for, and what fits of the rest.

    Without `guess` only known places are looked into. `sent` is what went out: found by a guess, it is no answer.
    If it `waits` for tasks, one that goes on has no picture yet, whatever addresses it names.
    Raises: OpenAIImageError, by kind, if the service says 200 and means an error; BadAnswerError if nothing in it is
    a picture.
    """
    response = raw.response(asked=max(asked, raw.count), sent=sent, guess=guess)
    address = next(iter(addresses_in(raw.headers)), "")
    images = response.data if response else []
    has_picture = any(image.has_picture for image in images)
    if waits and has_picture and not any(image.raw for image in images):
        is_elsewhere = all(image.url for image in images if image.has_picture)
        goes_on = is_waiting if is_elsewhere else is_running_task
        if any(map(goes_on, raw.values[-1:])):  # the last says how it ended
            words = raw.words  # an error beside it withholds no picture
            has_picture = words.from_service and not words.is_task
    if response is not None and has_picture and not any(image.guess and image.url for image in images):
        return response
    last = _last_words(raw.body)
    words = service_words(last) if last else raw.words
    if (words.from_service and not words.is_task) or raw.is_of_people:
        sent_before = Asked(prompt=prompt, begun=raw.was_begun)
        raise error_from_response(connection, 200, raw.headers, last or raw.body, subject=model, asked=sent_before)
    if response is not None and has_picture:
        return response
    if guess and UP_TO_SUFFIX.fullmatch(address):
        return OpenAIImageGenerationResponse(data=[Image(url=address, guess="place")])
    said_there = begun_task(address.partition("?")[0]) if address and not words.is_task else words.message
    said = says(connection.redacted(said_there)[:SAID_MAX_CHARS])
    is_empty = sse.PREAMBLE.fullmatch(raw.body) is not None
    what = "is empty" if is_empty else "holds no picture" if response is not None else "is not of the expected form"
    if packing := _packing(raw):
        what, said = f"is packed by {packing}, which was not asked for; another program can unpack the kept file", ""
    fault = f"the answer {what}.{said}"
    raise BadAnswerError(
        f"{connection.name}: {fault} Look at the account's usage page before asking again.",
        status=200,
        request_id=raw.request_id,
        fault=fault,
    )


def _packing(raw: RawAnswer) -> str:
    """Return how an answer is packed that client.py did not unpack, by its label or its beginning, or nothing."""
    if is_text(utf8(raw.body[:PACKED_SAMPLE_BYTES]).decode(errors="replace")):
        return ""
    labels = re.findall(r"[\w-]+", raw.headers.get("content-encoding", "").lower())
    begun = [packing for mark, packing in PACKED.items() if raw.body.startswith(mark)]
    return next((each for each in [*labels, *begun] if each in PACKINGS), "")


def _from_pieces(told: Sequence[object], texts: Mapping[str, memoryview]) -> bytes | None:
    """Return the picture whose base64 comes in pieces, each in an event or a document of its own, or None."""
    for at, document in enumerate(told[:PIECES_BEGIN] if len(told) > 1 else ()):
        for key, value in entries(document):
            if isinstance(value, str) and begins_as_picture(texts.get(value, value)):
                pieces = [_under(key, each, texts) for each in told[at:]]
                if any(map(begins_as_picture, pieces[1:])):
                    return None  # pictures of their own
                with contextlib.suppress(ValueError):
                    data = base64_to_bytes("".join(pieces))
                    return data if is_whole_picture(data) and not is_whole_picture(decoded(pieces[0])) else None
    return None


def _under(key: str, document: object, texts: Mapping[str, memoryview]) -> str:
    """Return the text that stands first under a name, or nothing."""
    value = next((each for name, each in entries(document) if name == key and isinstance(each, str)), "")
    return str(texts[value], "latin-1") if value in texts else value


def _quoted_stream(document: object) -> bytes | None:
    """Return the stream that an error quotes, or None: LiteLLM asks for one, cannot read it, and tells all of it."""
    error = document.get("error") if isinstance(document, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    start = QUOTED_STREAM.search(said) if isinstance(said, str) else None
    return said[start.start() :].encode(errors="replace") if start and isinstance(said, str) else None


def response_from_document(
    document: object, texts: Mapping[str, memoryview], sent: Sequence[bytes] = (), *, final: bool = False
) -> OpenAIImageGenerationResponse:
    """Return what a JSON document says, with the pictures in known places, but for what only was `sent`.

    `texts` are those that `extract_base64` took out of it, `final` is as in `known_pictures`.
    """
    images = known_pictures(document, texts, final=final)
    # in the official form the answer may be what was sent, unchanged
    found = images if _is_official(document) else _not_sent(images, sent)
    return _about(document).model_copy(update={"data": found})


def _is_official(document: object) -> bool:
    items = document.get("data") if isinstance(document, dict) else None
    return isinstance(items, list) and all(
        isinstance(item, dict) and not {"b64_json", "url"}.isdisjoint(item) for item in items
    )


def _not_sent(images: list[Image], sent: Sequence[bytes]) -> list[Image]:
    """Return pictures without those that only say back what went out."""
    if not sent:
        return images
    return [image for image in images if image.url or _bytes_of(image) not in sent]


def _bytes_of(image: Image) -> bytes:
    return image.raw or decoded(image.b64_json or "")


def _last_words(body: bytes) -> bytes | None:
    """Return what a stream of events ends with where it is no picture: an error, or the text of a chat."""
    if not sse.EVENT_STREAM.match(body):
        return None
    told = list(sse.events([body]))
    failed = next((event for event in told if sse.is_error(event)), None)
    if failed is None:
        chat = sse.joined_chat(told, {})
        return json.dumps(chat).encode() if chat else None
    inner = failed.get("response")
    nested = inner.get("error") if isinstance(inner, dict) else None
    return json.dumps({"error": failed.get("error") or nested or failed}).encode()


def _about(document: object) -> OpenAIImageGenerationResponse:
    """Return what a document says beside its pictures."""
    told: Mapping[str, Any] = document if isinstance(document, dict) else {}
    inner = (told.get(name) for name in ("response", "data"))
    told = next((one for one in inner if isinstance(one, dict) and isinstance(one.get("usage"), dict)), told)
    fields = {name: word_of(told.get(name)) for name in ("size", "quality", "background", "output_format")}
    return OpenAIImageGenerationResponse(
        data=[], usage=usage_of(told), svg_usage=svg_usage_of(told.get("svg_usage")), **fields
    )


def _joined(answers: list[OpenAIImageGenerationResponse], *, once: bool) -> OpenAIImageGenerationResponse:
    """Return one answer of all final events: their pictures, each `once` where the last one tells of all again, and
    their tokens added up; tokens alone may come behind them.
    """
    told = [one for one in answers if one.data]
    usages = [one.usage for one in told if one.usage] or [one.usage for one in answers if one.usage][-1:]
    images: list[Image] = []
    for one in told:
        images += [image for image in one.data if not once or image not in images]
    return told[0].model_copy(update={"data": images[:MAX_IMAGES], "usage": summed(usages) if usages else None})
