"""Any documents, any query of them, and how such a query is written."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range

TEXTS = [
    "django",
    "Django",
    "a",
    "b*",
    "[x",
    '{"a"',
    "ERROR",
    "żółć",
    "5",
    "-1.5",
    "true",
    "or",
    "",
]
TIMES = ["2025-01-01T00:00:00.000Z", "2025-01-01T23:59:59.999Z", "2025-01-02T03:04:05.678Z"]
LINES = [
    "INFO|apps.parcels.views|x|Parcel 42 created",
    "parcel created",
    "created parcel",
    "żółć!",
    "Ab",
]
KEYWORDS = ["service", "log_level", "group"]
IN_BODY = ["tags", "log.offset", "host.name", "data_stream.dataset", "nothing"]
WORDY = ["message", "log_message"]

# --- documents --------------------------------------------------------------------------

scalars = st.sampled_from(TEXTS) | st.integers(-3, 6) | st.booleans() | st.none()
odd = scalars | st.lists(scalars, max_size=3) | st.sampled_from([-1.5, {"a": "django"}, {}])
keyword_odd = st.sampled_from(TEXTS) | st.lists(st.sampled_from(TEXTS), max_size=2) | st.none()
lines = st.sampled_from(LINES)

bodies = st.fixed_dictionaries(
    {},
    optional={
        "@timestamp": st.sampled_from(TIMES),
        "service": keyword_odd | st.sampled_from([{"name": "a"}, 5]),
        "log_level": keyword_odd,
        "group": keyword_odd,
        "message": lines,
        "log_message": lines | st.lists(lines, max_size=2),
        "tags": odd,
        "log": st.fixed_dictionaries({}, optional={"offset": odd}) | st.just(5),
        "host.name": st.sampled_from(TEXTS),
        "data_stream": st.fixed_dictionaries({"dataset": st.sampled_from(TEXTS)}),
    },
)

# --- queries, and how they are written --------------------------------------------------

pieces = st.sampled_from(
    [
        "django",
        "Djan",
        "a",
        "*",
        "b",
        "ERR",
        "żół",
        "5",
        '"',
        "\\",
        "or",
        "[x",
        ":",
        "created",
        "parcel",
        "-1.5",
        "true",
        "4",
    ]
)
values = st.builds(
    QueryValue, st.lists(pieces, min_size=1, max_size=1).map(tuple), st.booleans()
) | st.lists(pieces | st.just(""), min_size=2, max_size=3).map(
    lambda parts: QueryValue(tuple(parts))
)
word_values = (
    st.builds(
        QueryValue,
        st.lists(
            st.sampled_from(
                ["parcel created", "parcels 42", "Parcel", "żółć", "apps.parcels", "!"]
            ),
            min_size=1,
            max_size=1,
        ).map(tuple),
        st.booleans(),
    )
    | values
)
fields = st.sampled_from([*KEYWORDS, *IN_BODY])
ends = st.sampled_from(["a", "django", "5", "0", "-1.5", "2"])
moments = st.sampled_from(["2025", "2025-01-01", "2025-01-02T03:04:05.678Z", "2025-01-02T03:04"])
operators = st.sampled_from(["<", "<=", ">", ">="])
leaves = (
    st.builds(Match, fields, values)
    | st.builds(Match, st.sampled_from(WORDY) | st.none(), word_values)
    | st.builds(
        Match, st.sampled_from([*KEYWORDS, *IN_BODY, *WORDY]), st.just(QueryValue(("", "")))
    )
    | st.builds(Range, fields, operators, ends)
    | st.builds(Range, st.just("@timestamp"), operators, moments)
)
queries = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Negated, inner)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
    ),
    max_leaves=5,
)


def written(query: Query) -> str:
    match query:
        case AllOf(parts):
            return "(" + " and ".join(map(written, parts)) + ")"
        case AnyOf(parts):
            return "(" + " OR ".join(map(written, parts)) + ")"
        case Negated(part):
            return f"not {written(part)}"
        case Range(field, operator, value):
            return f'{field} {operator} "{value}"'
        case Match(None, value):
            return written_value(value)
        case Match(field, value):
            return f"{field}: {written_value(value)}"


def written_value(value: QueryValue) -> str:
    if value.is_quoted:
        return '"' + re.sub(r'(["\\])', r"\\\1", value.text) + '"'
    escaped = "*".join(re.sub(r'([\\():<>"*{}])', r"\\\1", piece) for piece in value.pieces)
    return f"\\{escaped}" if escaped == "or" else escaped
