"""matplotlib's SVG made fit to stand inside a page: a text alternative, names of its own, nothing that leaks out of it.

Several pictures share a page, so an id that something in the picture refers to gets the picture's key before it, and
every other id goes, but those by which the page filters: "e3-1", of encoder 3 in series 1, becomes `data-e` and
`data-s`. Metadata and style sheets go too; fonts and colours are the page's.
"""

import re
from xml.etree import ElementTree

from evar.plots import COLOURS, GREY

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONT = re.compile(r"font-family: [^;]*;? ?")
DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is enough
GEOMETRY = ("d", "x", "y")
ENCODER = re.compile(r"e(\d+)(?:-(\d+))?")
HEX = re.compile("#[0-9a-f]{6}")
THEMED = {colour.lower(): f"var(--c{number})" for number, colour in enumerate(COLOURS)}  # light and dark: page.css
THEMED[GREY] = "var(--muted)"


def inline(svg: str, key: str, title: str, description: str) -> str:
    """An `<svg role="img">` for HTML; `key` is the picture's alone on the page."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    used = _references(root)
    for element in root.iter():
        _clean(element, key, used)
    for name in ("width", "height", "version"):
        del root.attrib[name]
    root.attrib |= {"role": "img", "class": "plot", "aria-labelledby": f"{key}-title {key}-desc"}
    for place, (name, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(name, {"id": f"{key}-{name}"})
        child.text = text
        root.insert(place, child)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _references(root: ElementTree.Element) -> set[str]:
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used |= {value.removeprefix("#")} if name == HREF else set(REFERENCE.findall(value))
    return used


def _clean(element: ElementTree.Element, key: str, used: set[str]) -> None:
    """Rename what is referred to; drop namespaces, which HTML knows by itself, and what the page decides."""
    element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    element.text, element.tail = (element.text or "").strip(), ""
    kept = {}
    for name, value in element.attrib.items():
        if name == HREF:
            kept["href"] = f"#{key}-{value[1:]}"
        elif name == "id" and (found := ENCODER.fullmatch(value)):
            kept |= {"data-e": found[1]} | ({"data-s": found[2]} if found[2] else {})
        elif name == "id":
            kept |= {"id": f"{key}-{value}"} if value in used else {}
        elif name == "style":
            kept["style"] = HEX.sub(_themed, FONT.sub("", value))
        elif name in GEOMETRY:
            kept[name] = DIGITS.sub(r"\1", value.replace("\n", ""))
        elif not (name == "transform" and value.startswith("rotate(-0 ")):
            kept[name] = REFERENCE.sub(rf"url(#{key}-\1)", value)
    element.attrib.clear()
    element.attrib.update(kept)


def _themed(colour: re.Match[str]) -> str:
    return THEMED.get(colour[0], colour[0])
