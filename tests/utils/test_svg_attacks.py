"""Drawings that attack: every member that is known of each kind is taken out, read by another parser than ours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from openai_image_nodes.utils.errors import BrokenPictureError
from openai_image_nodes.utils.svg import clean_svg

NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
TOLD = re.compile(
    r"evil|alert|javascript:|<!ENTITY|<!DOCTYPE|xml-stylesheet|image/svg|text/html|etc/passwd", re.IGNORECASE
)
ATTACKS = {
    "css url": "<style>rect{fill:url(http://evil/x)}</style><rect/>",
    "css url escaped": "<style>rect{fill:u\\72l(http://evil/x)}</style><rect/>",
    "css import": '<style>@import "http://evil/x";</style>',
    "css import escaped": '<style>@\\69mport "http://evil/x";</style>',
    "css comment": "<style>rect{fill:ur/**/l(http://evil)} a{background:url/**/(http://evil)}</style>",
    "css image-set": '<style>rect{background:image-set("http://evil/x" 1x)}</style>',
    "css src()": '<style>rect{background:src("http://evil/x")}</style>',
    "css font-face": "<style>@font-face{font-family:x;src:url(http://evil)}</style>",
    "css attr style": '<rect style="fill:url(&#34;http://evil/x&#34;)"/>',
    "css style cdata": "<style><![CDATA[ rect{fill:url(http://evil)} ]]></style>",
    "css in nested style": "<style>a<desc/>b url(http://evil)</style>",
    "css namespace/expression": '<rect style="width:expression(alert(1))"/>',
    "css -moz-binding": '<rect style="-moz-binding:url(http://evil)"/>',
    "css var": '<rect style="--a:url(http://evil);fill:var(--a)"/>',
    "presentation attr": '<rect fill="url(http://evil#a)" filter="url(//evil)" mask="url(\'http://evil\')" cursor="url'
    '(http://evil),auto"/>',
    "xml:base": '<svg NS xml:base="http://evil/"><use xlink:href="#a"/><rect fill="url(#a)"/></svg>',
    "set href": '<a id="a"><text>x</text></a><set xlink:href="#a" attributeName="xlink:href" to="javascript'
    ':alert(1)"/>',
    "animate href values": '<a><animate attributeName="href" values="javascript:alert(1)"/></a>',
    "animate spaces": '<a><animate attributeName=" href " values="javascript:alert(1)"/></a>',
    "animate onload": '<rect><set attributeName="onclick" to="alert(1)"/></rect>',
    "animate style url": '<rect><animate attributeName="fill" values="url(http://evil)"/></rect>',
    "animate onbegin": '<animate onbegin="alert(1)" attributeName="x" dur="1s"/>',
    "handler": '<svg NS xmlns:ev="http://www.w3.org/2001/xml-events"><handler ev:event="load">alert(1)</handler></svg>',
    "ev:listener": '<svg NS xmlns:ev="http://www.w3.org/2001/xml-events"><ev:listener event="load" handler="#x'
    '"/></svg>',
    "data html": '<image xlink:href="data:text/html,&lt;script&gt;alert(1)&lt;/script&gt;"/>',
    "data svg": '<image href="data:image/svg+xml;base64,PHN2Zy8+"/>',
    "data svg mixed": '<use href="data:image/png,image/svg+xml;x,&lt;svg/&gt;#a"/>',
    "data link": '<a href="data:text/html,x"><rect/></a>',
    "feImage": '<filter><feImage href="http://evil/x"/></filter>',
    "image": '<image href="http://evil/x"/><image xlink:href="//evil"/>',
    "use external": '<use href="http://evil/x.svg#a"/><use xlink:href="x.svg#a"/>',
    "foreignObject": '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(1)"/></f'
    "oreignObject>",
    "html ns": '<svg NS xmlns:h="http://www.w3.org/1999/xhtml"><h:script>alert(1)</h:script><h:img src="x"'
    ' onerror="alert(1)"/></svg>',
    "html ns prefix trick": '<svg NS xmlns:svg="http://www.w3.org/1999/xhtml"><svg:script>alert(1)</svg:script></svg>',
    "script ns": '<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script href="data:,alert(1)"/></s:svg>',
    "no ns": "<svg><script>alert(1)</script></svg>",
    "mathml": '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi href="javascript:alert(1)">x</mi></math>',
    "xi:include": '<svg NS xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd" p'
    'arse="text"/></svg>',
    "stylesheet pi": '<?xml-stylesheet href="http://evil/x.css" type="text/css"?><svg NS/>',
    "xslt pi": '<?xml-stylesheet type="text/xsl" href="#x"?><svg NS/>',
    "doctype ext": '<!DOCTYPE svg SYSTEM "http://evil/x.dtd"><svg NS/>',
    "attlist default": '<!DOCTYPE svg [<!ATTLIST svg onload CDATA "alert(1)">]><svg NS/>',
    "href ping": '<a ping="http://evil" href="#a" target="_top"/>',
    "attributes far": '<svg NS xmlns:x="http://evil/"><rect x:onload="alert(1)" x:href="http://evil"/></svg>',
    "video": '<video src="http://evil"/><audio href="http://evil"/><iframe src="http://evil"/><embed src'
    '="x"/><object data="x"/>',
    "mpath/textpath": '<textPath href="http://evil#a"/><mpath xlink:href="http://evil#b"/><linearGradient href="h'
    'ttp://evil#x"/><pattern xlink:href="//evil"/>',
    "href whitespace local": '<use href=" #a"/><use href="\t#a"/>',
    "style type": '<style type="text/xsl">x</style><style media="x" href="http://evil"/>',
    "marker etc": '<path marker-start="url(http://evil#m)" clip-path="url(data:image/svg+xml,x)" color-profil'
    'e="url(http://evil)"/>',
    "unicode url": '<style>rect{fill:UrL(http://evil)} p{fill:url( "http://evil" )}</style>',
}
REFUSED = {
    "entity of a file": '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg NS>&x;</svg>',
    "entities that multiply": '<!DOCTYPE svg [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><svg NS>&b;</svg>',
    "something behind": "<svg NS/><script>alert(1)</script>",
    "a broken comment": "<svg NS><!-- --!><script>alert(1)</script> --></svg>",
    "a control character": '<svg NS><a href="&#1;javascript:alert(1)"/></svg>',
    "uses of uses": "<svg NS>"
    + "".join(f'<g id="g{one}">' + f'<use href="#g{one - 1}"/>' * 10 + "</g>" for one in range(1, 10))
    + '<g id="g0"><rect/></g></svg>',
}


def written(drawing: str) -> bytes:
    is_whole = drawing.startswith(("<svg", "<s:svg", "<?", "<!DOCTYPE"))
    return (drawing if is_whole else f"<svg NS>{drawing}</svg>").replace("NS", NAMES).encode()


@pytest.mark.parametrize("drawing", ATTACKS.values(), ids=ATTACKS)
def test_attack_is_taken_out_and_told(drawing: str) -> None:
    """Nothing is left of it, what is left is a drawing, and the report says that something went."""
    clean = clean_svg(written(drawing))
    assert not TOLD.search(clean.data.decode())
    assert ElementTree.fromstring(clean.data).tag.endswith("svg")  # noqa: S314 - our own output
    assert clean_svg(clean.data).data == clean.data


@pytest.mark.parametrize("drawing", REFUSED.values(), ids=REFUSED)
def test_drawing_that_no_viewer_needs_is_refused_in_words(drawing: str) -> None:
    """Entities, what is behind the end, and what draws itself a million times."""
    with pytest.raises(BrokenPictureError):
        clean_svg(written(drawing))


def test_words_that_look_like_markup_stay_words() -> None:
    """Text of a drawing is escaped, whatever it was written in."""
    clean = clean_svg(written("<svg NS><title><![CDATA[</title><script>x</script>]]></title></svg>")).data.decode()
    assert "<script" not in clean
    assert "&lt;script&gt;" in clean
