#!/usr/bin/env python3
"""Compare documents that Logstash made with those ptingest would make of the same lines.

    ptingest try events.ndjson --json > ours.ndjson
    python3 compare.py logstash.ndjson ours.ndjson

`logstash.ndjson` holds one document a line, as Elasticsearch has it in `_source`. Documents
belong together by file and offset, else by message. Prints each difference once, with the
number of documents that have it and an example; exits with 1 if there is any.

Not compared: `agent` (the events for `try` come from a Filebeat of their own), and
`@timestamp` where it is the time at which Filebeat read the line. Needs Python alone.
"""

import json
import sys
from collections import Counter

OF_THE_READER = ("agent",)


def key_of(document):
    """What tells a line from all others."""
    log = document.get("log") or {}
    path = (log.get("file") or {}).get("path")
    if path is not None and "offset" in log:
        return path, log["offset"]
    return "message", document.get("message")


def has_own_time(document):
    """Say whether `@timestamp` comes from the line."""
    tags = document.get("tags") or []
    return "log_timestamp" in document and "_dateparsefailure" not in tags


def leaves(value, path=""):
    """Yield (dotted path, value) of everything that is not an object."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def comparable(document):
    """Return a document as path -> value, without what is not compared."""
    kept = {name: value for name, value in document.items() if name not in OF_THE_READER}
    if not has_own_time(document):
        kept.pop("@timestamp", None)
    return dict(leaves(kept))


def read_lines(path):
    """Yield the objects of an NDJSON file."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def differences(theirs, ours):
    """Yield (what differs, their value, our value) of one line."""
    left, right = comparable(theirs), comparable(ours)
    for path in sorted(left.keys() | right.keys()):
        if left.get(path) != right.get(path):
            yield path, left.get(path, "(absent)"), right.get(path, "(absent)")


def main(theirs_path, ours_path):
    """Print the comparison; return the exit code."""
    ours = {}
    for tried in read_lines(ours_path):
        if tried["outcome"] == "indexed":
            ours[key_of(tried["document"])] = tried["document"]
    counts, examples, compared, missing = Counter(), {}, 0, 0
    for document in read_lines(theirs_path):
        mine = ours.get(key_of(document))
        if mine is None:
            missing += 1
            continue
        compared += 1
        for path, left, right in differences(document, mine):
            counts[path] += 1
            examples.setdefault(path, (left, right))
    for path, count in counts.most_common():
        left, right = examples[path]
        print(f"{path}: {count} documents, e.g. Logstash {left!r}, ptingest {right!r}")
    print(f"{compared} compared, {len(counts)} fields differ, {missing} were not tried here")
    return 1 if counts or not compared else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
