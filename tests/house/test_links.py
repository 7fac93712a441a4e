"""The pages for people: links lead somewhere, every page is led to, README stays one page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.modules import ROOT

README_BYTES = 10_000
PICTURE_BYTES = 120_000
ELSEWHERE = re.compile(r"[a-z]+:")


class Link(NamedTuple):
    """A link as it is written, and where it leads."""

    target: str
    path: Path
    anchor: str


def pages() -> list[Path]:
    """Every Markdown file of the project that people read."""
    own = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    return sorted([*own, *(path for path in (ROOT / "tests").glob("*/README.md"))])


@cache
def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a heading of a page is reached by, as GitHub makes it."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def links(page: Path) -> Iterator[Link]:
    """The links of a page to other pages, files and headings of the project."""
    text = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", prose(page))
    for target in re.findall(r"\]\(([^()\s]+)\)", text):
        if not ELSEWHERE.match(target):
            path, _, anchor = target.partition("#")
            yield Link(target, (page.parent / path).resolve() if path else page, anchor)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = [
        link.target
        for link in links(page)
        if not link.path.exists()
        or not link.path.is_relative_to(ROOT)
        or (link.anchor and link.anchor not in anchors(link.path))
    ]

    assert wrong == []


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        below = page.glob("*.md") if page.is_dir() else (link.path for link in links(page))
        waiting += [path for path in below if path.suffix == ".md" or path.is_dir()]

    assert set((ROOT / "docs").rglob("*.md")) - reached == set()


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_pictures_are_small_and_shown() -> None:
    pictures = set((ROOT / "docs").rglob("*.png"))
    shown = {link.path for page in pages() for link in links(page)}

    assert pictures - shown == set()
    assert [path for path in pictures if path.stat().st_size > PICTURE_BYTES] == []
