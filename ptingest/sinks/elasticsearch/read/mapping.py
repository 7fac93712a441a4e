"""What Elasticsearch knows of fields, from the answer of ``_field_caps``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

TEXT = frozenset({"text", "match_only_text"})
KEYWORD = frozenset({"keyword", "constant_keyword", "wildcard", "version"})
INTEGERS = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
NUMBERS = INTEGERS | {"double", "float", "half_float", "scaled_float"}
PARENTS = frozenset({"object", "nested", "passthrough"})


class FieldMapping(NamedTuple):
    """How the indices that are read map one field; they may do so differently."""

    types: frozenset[str]
    is_searchable: bool = True
    is_aggregatable: bool = True

    def is_all(self, types: Iterable[str]) -> bool:
        """Whether every index maps it as one of these types."""
        return self.types <= frozenset(types)


Mappings = Mapping[str, FieldMapping]


def read_field_caps(answer: Mapping[str, Any]) -> dict[str, FieldMapping]:
    """Return the fields in an answer of ``_field_caps``, without those of Elasticsearch itself."""
    found: dict[str, FieldMapping] = {}
    fields = answer.get("fields")
    for name, by_type in fields.items() if isinstance(fields, dict) else ():
        kinds = {
            kind: row
            for kind, row in by_type.items()
            if isinstance(row, dict) and kind != "unmapped" and not row.get("metadata_field")
        }
        if kinds:
            found[name] = FieldMapping(
                frozenset(kinds),
                all(row.get("searchable") for row in kinds.values()),
                all(row.get("aggregatable") for row in kinds.values()),
            )
    return found


def names_in(mappings: Mappings) -> list[str]:
    """Return the sorted names of fields that hold values."""
    return sorted(name for name, one in mappings.items() if not one.types <= PARENTS)


def value_field(name: str, mappings: Mappings) -> str | None:
    """Return the field whose values stand for ``name``'s in counts and orders: itself, or its
    ``.keyword`` where it is text; None where there is none."""
    for one in (name, f"{name}.keyword"):
        mapping = mappings.get(one)
        if mapping is not None and mapping.is_aggregatable and not mapping.types <= PARENTS:
            return one
    return None
