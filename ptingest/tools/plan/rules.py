"""What an index does with the fields of a document, from its mapping and settings. Pure.

Source: Elasticsearch reference, "Mapping" (parameters, dynamic mapping, dynamic templates,
mapping limit settings), as nodes of 8.13, 8.19 and 9.5 apply it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ptingest.sinks.elasticsearch.read.mapping import PARENTS

FIELDS_LIMIT = 1_000
"""``index.mapping.total_fields.limit`` unless settings say otherwise."""
DEPTH_LIMIT = 20
"""``index.mapping.depth.limit``, the same."""


class Field(NamedTuple):
    """One mapped field that holds values."""

    type: str
    options: Mapping[str, Any] = {}

    @property
    def size(self) -> int:
        """How much it counts towards the limit: itself and its ``fields``."""
        return 1 + len(self.options.get("fields") or {})


class Parent(NamedTuple):
    """One mapped object; options that it does not have are those of its own parent."""

    dynamic: str | None = None
    is_enabled: bool = True
    has_subobjects: bool = True


@dataclass(slots=True)
class Rules:
    """A whole mapping. ``fields`` and ``parents`` grow as documents bring new ones."""

    fields: dict[str, Field] = field(default_factory=dict)
    """By whole names; so are ``parents``, whose root is ``""``."""
    parents: dict[str, Parent] = field(default_factory=lambda: {"": Parent("true")})
    detects_dates: bool = True
    detects_numbers: bool = False
    templates: list[Mapping[str, Any]] = field(default_factory=list)
    """Dynamic templates, the first that fits is used."""
    ignores_malformed: bool = False
    coerces: bool = True
    limit: int = FIELDS_LIMIT
    depth: int = DEPTH_LIMIT
    ignores_beyond_limit: bool = False
    wants_timestamp: bool = True
    version: tuple[int, int] = (0, 0)
    """Of the server; (0, 0) where it is not known."""

    @property
    def is_newer(self) -> bool | None:
        """Whether the server is of 9.5 or newer, which takes some more; between 8.19 and 9.5
        nobody was asked: None."""
        if self.version >= (9, 5):
            return True
        return None if self.version >= (9, 0) or not any(self.version) else False

    @property
    def size(self) -> int:
        """Fields as the limit counts them: those with values, their ``fields``, and objects."""
        return sum(one.size for one in self.fields.values()) + len(self.parents) - 1


def read_rules(mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> Rules:
    """Return the rules of ``mappings`` and of ``settings``, the object ``index`` in them."""
    limits = _object(settings, "mapping")
    fields = _object(limits, "total_fields")
    rules = Rules(
        parents={
            "": Parent(
                _dynamic(mappings) or "true",
                has_subobjects=not _is_false(mappings.get("subobjects")),
            )
        },
        detects_dates=not _is_false(mappings.get("date_detection")),
        detects_numbers=_is_true(mappings.get("numeric_detection")),
        templates=[
            body
            for one in mappings.get("dynamic_templates") or []
            for body in one.values()
            if isinstance(body, dict)
        ],
        ignores_malformed=_is_true(limits.get("ignore_malformed")),
        coerces=not _is_false(limits.get("coerce")),
        limit=int(fields.get("limit", FIELDS_LIMIT)),
        depth=int(_object(limits, "depth").get("limit", DEPTH_LIMIT)),
        ignores_beyond_limit=_is_true(fields.get("ignore_dynamic_beyond_limit")),
    )
    for name, one in _leaves(mappings, "", rules.parents):
        rules.fields[name] = one
    return rules


def with_types(rules: Rules, types: Mapping[str, str]) -> Rules:
    """Return rules whose fields have these types, name by name, and whose options stay.

    For a login that may ask for the types of fields and not for mappings. Objects are left out
    where the rules have none: their names are those of the fields in them.
    """
    fields = {
        name: rules.fields[name]
        if name in rules.fields and rules.fields[name].type == kind
        else Field(kind)
        for name, kind in types.items()
        if kind not in PARENTS
    }
    return Rules(
        fields, dict(rules.parents), rules.detects_dates, rules.detects_numbers, rules.templates,
        rules.ignores_malformed, rules.coerces, rules.limit, rules.depth,
        rules.ignores_beyond_limit, rules.wants_timestamp, rules.version,
    )  # fmt: skip


def _leaves(
    mapping: Mapping[str, Any], prefix: str, parents: dict[str, Parent]
) -> Iterator[tuple[str, Field]]:
    """Yield the fields of one object, and note the objects in it."""
    for name, body in (mapping.get("properties") or {}).items():
        path = prefix + name
        kind = body.get("type", "object")
        if kind in PARENTS:
            parents[path] = Parent(
                _dynamic(body),
                not _is_false(body.get("enabled")),
                not _is_false(body.get("subobjects")),
            )
            yield from _leaves(body, f"{path}.", parents)
        else:
            yield path, Field(kind, body)


# --- new fields -------------------------------------------------------------------------


def new_field(rules: Rules, path: str, kind: str) -> Field | None:
    """Return how a new field of this JSON kind is mapped; None: a template leaves it unmapped.

    ``kind`` is string, long, double, boolean, date or object, as in ``match_mapping_type``.
    """
    for template in rules.templates:
        if _fits(template, path, kind):
            mapping = template.get("mapping") or {}
            if _is_false(mapping.get("dynamic")):
                return None
            found = mapping.get("type", "{dynamic_type}")
            default = {"string": "text", "double": "float"}.get(kind, kind)
            made = str(found).replace("{dynamic_type}", default)
            return Field(made, {**mapping, "type": made})
    if kind == "string":
        keyword = {"keyword": {"type": "keyword", "ignore_above": 256}}
        return Field("text", {"type": "text", "fields": keyword})
    return Field({"double": "float"}.get(kind, kind))


def _fits(template: Mapping[str, Any], path: str, kind: str) -> bool:
    wanted = template.get("match_mapping_type", "*")
    kinds = wanted if isinstance(wanted, list) else [wanted]
    if not {"*", kind} & set(kinds):
        return False
    is_regex = template.get("match_pattern") == "regex"
    name = path.rpartition(".")[2]
    for key, text in (("match", name), ("path_match", path)):
        if key in template and not _matches(template[key], text, is_regex):
            return False
    for key, text in (("unmatch", name), ("path_unmatch", path)):
        if key in template and _matches(template[key], text, is_regex):
            return False
    return True


def _matches(patterns: object, text: str, is_regex: bool) -> bool:
    many = patterns if isinstance(patterns, list) else [patterns]
    for one in many:
        pattern = str(one) if is_regex else ".*".join(map(re.escape, str(one).split("*")))
        if re.fullmatch(pattern, text, re.DOTALL):
            return True
    return False


# --- values of mappings and settings, which servers spell as text ---------------------------


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _is_false(value: object) -> bool:
    return str(value).lower() == "false"


def _dynamic(mapping: Mapping[str, Any]) -> str | None:
    return str(mapping["dynamic"]).lower() if "dynamic" in mapping else None
