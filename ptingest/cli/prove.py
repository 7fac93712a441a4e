"""`ptingest prove`: does a config make of captured events what Logstash made of them?"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ptingest.cli.compare import documents_of, show_differences
from ptingest.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from ptingest.pipeline.pipeline import Pipeline
    from ptingest.tools.comparison import Document


@click.command(
    epilog="Example: ptingest prove --profile logstash.conf --events e.ndjson --logstash d.ndjson"
)
@click.option(
    "--profile",
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="The logstash.conf, a folder of them, or a profile in YAML.",
)
@click.option(
    "--events",
    type=click.File("rb"),
    required=True,
    help="Events as Filebeat sends them, one a line.",
)
@click.option(
    "--logstash",
    type=click.File("rb"),
    required=True,
    help="What Logstash made of them: documents, or hits with _source, one a line.",
)
def prove(profile: Path, events: BinaryIO, logstash: BinaryIO) -> ExitCode:
    """Run captured events through a config and compare with Logstash's documents.

    Every field is compared, since both were made of the same events. An event of several outputs
    counts once for each.

    Exit codes: 0 nothing differs and none is missing, 1 something does, 3 the config is invalid.
    """
    from ptingest.cli.try_ import read_lines
    from ptingest.pipeline.compile import compile_profile
    from ptingest.settings.load import load_rules
    from ptingest.tools.comparison import compare

    pipeline = compile_profile(load_rules(profile, os.environ))
    counts = {"events": 0, "dropped": 0, "dead letters": 0}
    ours = _documents(pipeline, read_lines(events), counts)
    result = compare(ours, documents_of(logstash), of_same_events=True)
    show_differences(result)
    click.echo(", ".join(f"{count} {what}" for what, count in counts.items()))
    click.echo(
        f"{result.compared} documents compared, {len(result.counts)} fields differ, "
        f"{result.only_theirs} of Logstash and {result.only_ours} of ptingest have no counterpart"
    )
    is_whole = not (result.only_theirs or result.only_ours)
    return ExitCode.DONE if result.is_same and is_whole else ExitCode.FAILED


def _documents(
    pipeline: Pipeline, payloads: Iterable[bytes], counts: dict[str, int]
) -> Iterator[Document]:
    import json  # not orjson: numbers of any size are equal to themselves

    from ptingest.model.receipt import Receipt

    for payload in payloads:
        receipt = Receipt(lambda _: None)
        done = pipeline.process([payload], receipt=receipt, peer="", now_ns=time.time_ns())
        counts["events"] += 1
        counts["dropped"] += sum(done.dropped.values())
        counts["dead letters"] += len(done.dead_letters)
        for document in done.documents:
            yield json.loads(document.body)
