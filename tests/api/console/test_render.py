"""From values to HTML: what came from an event is text."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.api.console.render import Renderer, Verbatim, visible

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea><svg/onload=alert(1)>",
    "</title></style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "<!--", "]]>", "&lt;b&gt;",
)  # fmt: skip


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


class Seen(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


async def notice(renderer: Renderer, text: object) -> Seen:
    values: dict[str, object] = {
        "root": "/console", "navigation": (), "has_session": False, "form_key": "",
        "may_change": False, "title": "A title", "text": text,
        "marks": {"console.css": "1", "console.js": "2", "icon.svg": "3"},
    }  # fmt: skip
    return Seen(await renderer.render("notice.html", values))


@pytest.mark.parametrize("text", HOSTILE)
async def test_markup_in_a_value_is_shown_as_text(renderer: Renderer, text: str) -> None:
    plain = await notice(renderer, "hello")

    page = await notice(renderer, text)

    assert page.tags == plain.tags
    assert text in page.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x00\x1b[31m", "⟨U+0000⟩⟨U+001B⟩[31m"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("a\tb\nc", "a\tb\nc"),
        ("Zoë 荷物 🚚", "Zoë 荷物 🚚"),
    ],
)
def test_what_cannot_be_seen_is_written_as_its_number(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_whatever_the_text_nothing_of_it_is_hidden(text: str) -> None:
    shown = visible(text)

    categories = {unicodedata.category(character) for character in shown if character not in "\t\n"}
    assert categories.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


async def test_a_value_that_is_sent_back_stays_as_it_is(renderer: Renderer) -> None:
    page = await notice(renderer, Verbatim("a\u202eb<i>"))

    assert "a\u202eb<i>" in page.text


async def test_half_a_surrogate_pair_does_not_keep_a_page_from_being_made(
    renderer: Renderer,
) -> None:
    page = await notice(renderer, Verbatim("a\ud800b"))

    assert "a\ufffdb" in page.text


async def test_a_value_that_is_missing_is_an_error(renderer: Renderer) -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        await renderer.render("notice.html", {})


def test_jinja2_is_not_imported_before_a_page_is_asked_for() -> None:
    look = "import sys, ptingest.api.app; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
