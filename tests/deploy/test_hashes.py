"""deploy/hashed: what an image is built from, each file known by its hash."""

from __future__ import annotations

import re

from packaging.requirements import Requirement

from tests.support.modules import DEPLOY, TESTS

RUNTIME = (DEPLOY / "hashed" / "runtime.txt").read_text(encoding="utf-8")
BUILD = (DEPLOY / "hashed" / "build.txt").read_text(encoding="utf-8")
PIN = re.compile(
    r"^(\S+)==(\S+)(?: ; [^\\\n]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def pins(text: str) -> dict[str, str]:
    """Names as an index has them, and versions, of a list without hashes."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    wanted = [Requirement(line) for line in lines if line]
    return {name(one.name): str(one.specifier).removeprefix("==") for one in wanted}


def name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def hashed(text: str) -> dict[str, str]:
    """The same of a list with hashes; every line of it is a version or a hash."""
    found = PIN.findall(text)
    assert "".join(match[0] for match in PIN.finditer(text)) == text
    return {name(one): version for one, version, _ in found}


def test_what_the_image_needs_is_what_the_tests_ran_with() -> None:
    assert hashed(RUNTIME) == pins((DEPLOY / "requirements.txt").read_text(encoding="utf-8"))


def test_what_builds_it_is_what_is_asked_for_in_the_versions_of_the_tests() -> None:
    built = hashed(BUILD)
    asked = pins((DEPLOY / "hashed" / "build.in").read_text(encoding="utf-8"))
    tested = pins((TESTS / "requirements.txt").read_text(encoding="utf-8"))

    assert asked.items() <= built.items()
    assert {one: built[one] for one in built.keys() & tested} == {
        one: tested[one] for one in built.keys() & tested
    }


def test_compiled_packages_have_a_hash_for_each_python_and_processor() -> None:
    """Four versions on two processors are eight files, and there is a source as well."""
    compiled = {"aiohttp", "google-re2", "isal", "msgspec", "orjson", "pydantic-core", "pyyaml"}
    counts = {name(one): hashes.count("--hash") for one, _, hashes in PIN.findall(RUNTIME)}

    assert {one for one in compiled if counts[one] < 9} == set()


def test_no_address_stands_in_a_list() -> None:
    assert "://" not in RUNTIME + BUILD
    assert "index-url" not in RUNTIME + BUILD
