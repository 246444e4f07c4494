"""A stranger's drawing to one that only draws: what could run, load or expand is taken out.

An allow-list, as what browsers know only grows. Written again from what the parser saw, because a page that reads the
same bytes as HTML would see other comments and sections than an XML parser does. Source of the names: SVG 2, chapters
"Element Index" and "Attribute Index", https://www.w3.org/TR/SVG2/.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote
from xml.parsers import expat
from xml.sax.saxutils import escape

from .errors import BrokenPictureError

MAX_BYTES = 32 << 20
MAX_DEPTH = 200
MAX_DRAWN = 1_000_000  # elements, counted once for each reference: ten lines of them can ask for 2^50
NAMES_TOLD = 12
SVG_SPACE = "http://www.w3.org/2000/svg"
SPACES = {"http://www.w3.org/1999/xlink": "xlink:", "http://www.w3.org/XML/1998/namespace": "xml:"}
PLAIN_PREFIXES = {None: SVG_SPACE, "xlink": "http://www.w3.org/1999/xlink"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTS = _words(
    """
    svg g defs symbol use switch view title desc path rect circle ellipse line polyline polygon text tspan textPath
    linearGradient radialGradient stop clipPath mask pattern marker image style filter feBlend feColorMatrix
    feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow
    feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset
    fePointLight feSpecularLighting feSpotLight feTile feTurbulence animate animateTransform animateMotion mpath
    set"""
)
TEXT_ONLY = ("title", "desc", "style")  # a page that reads them as HTML would take elements inside for its own
WITH_PICTURES = ("image", "feImage")
WORDS = _words("id class lang xml:lang xml:space role aria-label aria-hidden aria-labelledby aria-describedby")
ATTRIBUTES = _words(
    """
    x y x1 y1 x2 y2 cx cy r rx ry fx fy fr width height d points pathLength transform viewBox preserveAspectRatio
    version baseProfile dx dy rotate textLength lengthAdjust startOffset method spacing side offset gradientUnits
    gradientTransform spreadMethod clipPathUnits maskUnits maskContentUnits patternUnits patternContentUnits
    patternTransform markerUnits markerWidth markerHeight refX refY orient filterUnits primitiveUnits in in2 result
    stdDeviation edgeMode mode operator k1 k2 k3 k4 type values tableValues slope intercept amplitude exponent order
    kernelMatrix divisor bias targetX targetY preserveAlpha surfaceScale diffuseConstant specularConstant
    specularExponent kernelUnitLength azimuth elevation z pointsAtX pointsAtY pointsAtZ limitingConeAngle scale
    xChannelSelector yChannelSelector radius baseFrequency numOctaves seed stitchTiles attributeType begin
    dur end min max restart repeatCount repeatDur calcMode keyTimes keySplines from to by additive accumulate path
    keyPoints systemLanguage media alignment-baseline baseline-shift clip clip-path clip-rule color
    color-interpolation color-interpolation-filters color-rendering cursor direction display dominant-baseline fill
    fill-opacity fill-rule filter flood-color flood-opacity font font-family font-feature-settings font-size
    font-size-adjust font-stretch font-style font-variant font-variation-settings font-weight
    glyph-orientation-horizontal glyph-orientation-vertical image-rendering isolation kerning letter-spacing
    lighting-color line-height marker marker-end marker-mid marker-start mask mask-type mix-blend-mode opacity overflow
    paint-order pointer-events shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset
    stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration
    text-overflow text-rendering transform-box transform-origin unicode-bidi vector-effect visibility white-space
    word-spacing writing-mode enable-background"""
)
FUNCTIONS = _words(
    """
    rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix light-dark var calc min max clamp matrix matrix3d
    translate translatex translatey translatez translate3d rotate rotatex rotatey rotatez rotate3d scale scalex scaley
    scalez scale3d skew skewx skewy perspective cubic-bezier steps linear blur brightness contrast drop-shadow
    grayscale hue-rotate invert opacity saturate sepia circle ellipse inset polygon path rect not is where has
    nth-child nth-last-child nth-of-type nth-last-of-type media supports and or only screen all
    print"""
)
AT_RULES = frozenset(("media", "keyframes", "-webkit-keyframes", "supports"))
NOT_INHERITED = ("filter", "mask", "clip-path")  # drawn once for a whole group
RASTER = r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/= ]+"
INTERNAL = r"#[^\s\"'()<>\\]+"
RASTER_LINK, INTERNAL_LINK = re.compile(RASTER, re.IGNORECASE), re.compile(INTERNAL)
SAFE_URL = re.compile(rf"url\( ?([\"']?)(?:{INTERNAL}|{RASTER})\1 ?\)", re.IGNORECASE)
FUNCTION = re.compile(r"(?<![\w-])([\w-]*) ?\(")
AT_RULE = re.compile(r"@([\w-]*)")
REFERENCE = re.compile(rf"url\( ?[\"']?({INTERNAL})", re.IGNORECASE)
DECLARATION_END = re.compile(r"[;{}]")
ANY_ELEMENT = re.compile(r"[*:&\[]")  # in a selector; what follows a nested rule has none at all
SELECTOR_NAME = re.compile(r"[^\s.#,>+~{}()]+")
ANIMATED = ("animate", "set")


class CleanSvg(NamedTuple):
    """A drawing in UTF-8, byte for byte as it came where nothing had to go, and notes on what went."""

    data: bytes
    notes: list[str]


def clean_svg(data: bytes) -> CleanSvg:
    """Return an SVG without scripts, event handlers, links, foreign elements and everything that loads a file.

    Raises: BrokenPictureError if it is no SVG, not well formed, defines entities, or draws more than MAX_DRAWN.
    """
    if len(data) > MAX_BYTES:
        raise BrokenPictureError(f"the SVG has more than {MAX_BYTES >> 20} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BrokenPictureError(f"the SVG is not UTF-8 (byte {exc.start})") from exc
    cleaner = _Cleaner()
    cleaner.read(text)
    if cleaner.references.drawn() > MAX_DRAWN:
        raise BrokenPictureError(f"the SVG draws more than {MAX_DRAWN:,} elements, some by referring to others again")
    if cleaner.is_plain and not cleaner.removed and not data.startswith(b"\xef\xbb\xbf"):
        return CleanSvg(data, [])
    return CleanSvg("".join(cleaner.out).encode(), _notes(cleaner.removed))


def _notes(removed: Mapping[str, int]) -> list[str]:
    if not removed:
        return []
    told = [f"{count} {name}" for name, count in list(removed.items())[:NAMES_TOLD]]
    more = [f"{len(removed) - NAMES_TOLD} other kinds"] if len(removed) > NAMES_TOLD else []
    return [f"Taken out of the SVG, as a drawing does not need it to draw: {', '.join([*told, *more])}."]


class _Cleaner:
    """Writes down again what expat saw and the lists allow."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.removed: Counter[str] = Counter()
        self.is_plain = True  # read as HTML it means the same as read as XML
        self.references = _References()
        self._open: list[str] = []
        self._left_out = 0  # depth inside an element that is left out
        self._css: list[str] | None = None
        self._space: str | None = None

    def read(self, text: str) -> None:
        """Read a whole document. Raises: BrokenPictureError."""
        parser = expat.ParserCreate("utf-8", " ")  # whatever the document says of its encoding
        parser.buffer_text = parser.ordered_attributes = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._namespace
        parser.XmlDeclHandler = self._declaration
        parser.CommentHandler = parser.StartCdataSectionHandler = self._not_plain
        parser.ProcessingInstructionHandler = lambda target, _data: self._remove(f"instruction {target}")
        parser.StartDoctypeDeclHandler = lambda *_names: self._remove("DOCTYPE")
        parser.SkippedEntityHandler = lambda name, _is_parameter: self._remove(f"entity {name}")
        parser.EntityDeclHandler = _refuse_entity
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as exc:
            raise BrokenPictureError(f"the SVG is not well formed ({exc})") from exc

    def _start(self, qualified: str, listed: list[str]) -> None:
        space, _, name = qualified.rpartition(" ")
        if not self._open:
            if name != "svg" or space not in ("", SVG_SPACE):
                raise BrokenPictureError(f"the answer is no SVG: its first element is {name[:40]}")
            self._space = space
        if len(self._open) + self._left_out >= MAX_DEPTH:
            raise BrokenPictureError(f"the SVG nests more than {MAX_DEPTH} elements")
        is_link = name == "a" and space == self._space
        known = space == self._space and (name in ELEMENTS or is_link)
        if self._left_out or not known or (self._open and self._open[-1] in TEXT_ONLY):
            self._left_out += 1
            self._remove(name)
            return
        attributes = dict(_pairs(listed))
        animated = attributes.get("attributeName", "")  # not only looks can be, but the address of a link too
        if name in ("animate", "animateTransform", "set") and animated not in ATTRIBUTES:
            self._left_out += 1
            self._remove(f"{name} of {attributes.get('attributeName', 'nothing')}")
            return
        if is_link:
            self._remove("link")
            name = "tspan" if "text" in self._open else "g"
        kept = {key: value for key, value in attributes.items() if self._keeps(name, key, value)}
        spaces = f' xmlns="{SVG_SPACE}" xmlns:xlink="{PLAIN_PREFIXES["xlink"]}"' if not self._open else ""
        self._open.append(name)
        self.references.begin(name, kept)
        self._css = [] if name == "style" else None
        self.out.append(f"<{name}{spaces}{''.join(f' {key}={_quoted(value)}' for key, value in kept.items())}>")

    def _end(self, _qualified: str) -> None:
        if self._left_out:
            self._left_out -= 1
            return
        name = self._open.pop()
        if self._css is not None:
            css, self._css = "".join(self._css), None
            if _is_harmless(css):
                self.references.add_sheet(css)
                self.out.append(escape(css))
            else:
                self._remove("style")
        self.references.end()
        self.out.append(f"</{name}>")

    def _text(self, text: str) -> None:
        if self._left_out:
            return
        if self._css is not None:
            self._css.append(text)
        else:
            self.out.append(escape(text))

    def _keeps(self, element: str, name: str, value: str) -> bool:
        if name in ("href", "xlink:href"):
            is_raster = element in WITH_PICTURES and bool(RASTER_LINK.fullmatch(" ".join(value.split())))
            kept = bool(INTERNAL_LINK.fullmatch(value.strip())) or is_raster
        elif name in WORDS:
            kept = True
        else:
            kept = name in ("style", "attributeName") or name in ATTRIBUTES
            # What is put into another element in time would not be counted where it is drawn.
            kept = kept and _is_harmless(value) and not (element in ANIMATED and REFERENCE.search(value))
        if not kept:
            self._remove(name)
        return kept

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self.is_plain &= PLAIN_PREFIXES.get(prefix) == uri

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.is_plain &= encoding is None or encoding.lower() == "utf-8"

    def _not_plain(self, *_seen: str) -> None:
        self.is_plain = False

    def _remove(self, name: str) -> None:
        self.removed[name[:40]] += 1


class _References:
    """How many elements are drawn at most when everything that is referred to is drawn again for each reference."""

    def __init__(self) -> None:
        self._elements: list[_Element] = []
        self._by_id: dict[str, int] = {}
        self._open: list[int] = []
        self._rules: list[tuple[str, list[str]]] = []

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        """Enter an element."""
        number = len(self._elements)
        if self._open:
            self._elements[self._open[-1]].children.append(number)
        own_id = attributes.get("id", "")
        names = {each.lower() for each in (name, own_id, *attributes.get("class", "").split())}
        element = _Element(frozenset(names))
        self._elements.append(element)
        self._open.append(number)
        self._by_id.setdefault(f"#{own_id}", number)
        for key, value in attributes.items():
            if key in ("href", "xlink:href") and value.strip().startswith("#"):
                element.targets.append(value.strip())
            elif key not in WORDS:
                found = REFERENCE.findall(value)
                (element.targets if key in NOT_INHERITED else element.inherited).extend(found)

    def add_sheet(self, css: str) -> None:
        """Keep each rule's references for the elements that its selector may mean; a rule around it counts as well."""
        for rule in css.split("}"):
            selector, _, _ = rule.rpartition("{")
            if found := REFERENCE.findall(rule):
                self._rules.append((selector, found))

    def end(self) -> None:
        """Leave an element."""
        self._open.pop()

    def drawn(self) -> int:
        """Return the number, at least MAX_DRAWN + 1 where it is larger; what refers to itself is not drawn."""
        if not self._apply_rules():
            return MAX_DRAWN + 1
        sizes: dict[int, int] = {}
        waiting: list[tuple[int, bool]] = [(0, False)] if self._elements else []
        while waiting:
            number, is_ready = waiting.pop()
            element = self._elements[number]
            drawn, painted = self._numbers(element.targets), self._numbers(element.inherited)
            if is_ready:
                own = 1 + sum(sizes[part] for part in (*element.children, *drawn))
                # Every shape inside has the paint of its group.
                sizes[number] = min(own + own * sum(sizes[part] for part in painted), MAX_DRAWN + 1)
            elif number not in sizes:
                sizes[number] = 0  # until it is known: a way back to itself adds nothing
                waiting.append((number, True))
                waiting += [(part, False) for part in (*element.children, *drawn, *painted)]
        return sizes.get(0, 0)

    def _apply_rules(self) -> bool:
        """Give each element what sheets paint it with; False if that alone is more than may be drawn."""
        by_name: dict[str, list[_Element]] = {}
        for element in self._elements:
            for name in element.names:
                by_name.setdefault(name, []).append(element)
        painted = 0
        for selector, found in self._rules:
            names = {name.lower() for name in SELECTOR_NAME.findall(selector)}
            is_any = not names or ANY_ELEMENT.search(selector)
            meant = self._elements if is_any else [one for name in names for one in by_name.get(name, ())]
            painted += len(meant) * len(found)
            if painted > MAX_DRAWN:
                return False
            for element in meant:
                element.inherited += found
        return True

    def _numbers(self, targets: list[str]) -> list[int]:
        names = [(target, unquote(target)) for target in targets]  # browsers take %61 for an a
        return [self._by_id[name] for each in names for name in dict.fromkeys(each) if name in self._by_id]


class _Element:
    """What a rule can name an element by, what is inside, and what it refers to: once, or for each shape inside."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.children: list[int] = []
        self.targets: list[str] = []
        self.inherited: list[str] = []


def _pairs(listed: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and value; names of spaces that SVG has no use for keep their space, and so are in no list."""
    for qualified, value in zip(listed[::2], listed[1::2], strict=True):
        space, _, name = qualified.rpartition(" ")
        yield (f"{SPACES.get(space, space + ' ')}{name}" if space else name), value


def _is_harmless(value: str) -> bool:
    """Tell whether a value or a sheet of CSS has only functions that draw, and refers to nothing outside."""
    if "\\" in value:  # an escape of CSS can write url( in other letters
        return False
    for declaration in DECLARATION_END.split(value):
        if "url(" in declaration.partition("--")[2].partition(":")[2].lower():
            return False  # a variable: who uses it is not known, and so how often it is drawn
    rest = SAFE_URL.sub(" ", " ".join(value.split()))
    functions = {name.lower() for name in FUNCTION.findall(rest) if name}
    rules = {name.lower() for name in AT_RULE.findall(rest)}
    return functions <= FUNCTIONS and rules <= AT_RULES


def _quoted(value: str) -> str:
    return f'"{escape(value, {chr(34): "&quot;", chr(10): "&#10;", chr(13): "&#13;", chr(9): "&#9;"})}"'


def _refuse_entity(name: str, *_rest: object) -> None:
    raise BrokenPictureError(f"the SVG defines an entity ({name[:40]}), which a drawing does not need")
