"""`ptingest compare`: do our documents equal those that Logstash made of the same lines?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.visible import visible

if TYPE_CHECKING:
    from ptingest.tools.comparison import Comparison, Document


@click.command(epilog="Example: ptingest try --json events | ptingest compare - logstash.ndjson")
@click.argument("ours", type=click.File("rb"))
@click.argument("theirs", type=click.File("rb"))
def compare(ours: BinaryIO, theirs: BinaryIO) -> ExitCode:
    """Compare OURS, the output of `ptingest try --json`, with THEIRS, Logstash's documents.

    Both are files with one JSON object a line, - is standard input. THEIRS are documents or hits
    of Elasticsearch with `_source`; OURS may be, too. Documents belong together by file and
    offset, else by message. Not compared: `agent`, and `@timestamp` where it is Filebeat's.

    Exit codes: 0 nothing differs, 1 something does, or nothing could be compared, 2 a line is
    not a JSON object.
    """
    from ptingest.tools.comparison import compare as compared

    result = compared(documents_of(ours), documents_of(theirs))
    show_differences(result)
    click.echo(
        f"{result.compared} compared, {len(result.counts)} fields differ, {result.only_theirs} of "
        f"{theirs.name} have no counterpart in {ours.name}"
    )
    return ExitCode.DONE if result.is_same else ExitCode.FAILED


def show_differences(result: Comparison) -> None:
    """Print each field that differs, the most frequent first, with its first example."""
    for path, count in sorted(result.counts.items(), key=lambda row: -row[1]):
        left, right = (visible(repr(value)) for value in result.examples[path])
        noun = "document" if count == 1 else "documents"
        click.echo(f"{visible(path)}: {count} {noun}, e.g. Logstash {left}, ptingest {right}")


def documents_of(file: BinaryIO) -> Iterator[Document]:
    """Yield the documents of a file with one JSON object a line.

    Raises:
        UsageError: a line is none.
    """
    from ptingest.tools.comparison import document_in

    for number, line in enumerate(file, 1):
        if line.strip():
            document = document_in(_object(line, f"{file.name}:{number}"))
            if document is not None:
                yield document


def _object(line: bytes, place: str) -> dict[str, Any]:
    import json  # not orjson: numbers of any size are equal to themselves

    try:
        found = json.loads(line)
    except ValueError as error:
        raise click.UsageError(f"{place} is not JSON: {error}; write one object a line") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{place} is no JSON object; write one object a line")
    return found
