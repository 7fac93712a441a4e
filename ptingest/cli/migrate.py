"""`ptingest migrate`: from a Logstash installation to a ptingest.yaml, with a report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.visible import visible

if TYPE_CHECKING:
    from ptingest.tools.migration import Migration, Row

REPORT = "migration.txt"
COLOURS = {"exact": "green", "different": "yellow", "refused": "red"}


@click.command(epilog="Example: ptingest migrate /etc/logstash/conf.d logstash.yml --to ptingest")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write; a pipeline of pipelines.yml has a folder of its own there.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def migrate(files: Sequence[Path], folder: Path | None, dry_run: bool) -> ExitCode:
    """Write a ptingest.yaml for FILES: *.conf or a folder of them, pipelines.yml, logstash.yml.

    The configs are copied as they are. A report tells of each plugin, option and setting whether
    it is exact, different (and how) or refused.

    Exit codes: 0 everything is exact, 1 something is different, 3 something is refused or cannot
    be read.
    """
    if folder is None and not dry_run:
        raise click.UsageError("name a folder to write to (--to DIR), or look first: --dry-run.")
    found = list(_migrations(files))
    for one in found:
        target = None if folder is None else folder if len(found) == 1 else folder / one.name
        _show(one, target)
        if target is not None and not dry_run:
            _write(one, target)
    worst = {one.worst for one in found}
    if "refused" in worst:
        return ExitCode.CONFIG_INVALID
    return ExitCode.FAILED if "different" in worst else ExitCode.DONE


def _migrations(files: Sequence[Path]) -> Iterator[Migration]:
    from ptingest.tools.migration import migrate as migrated
    from ptingest.tools.migration import pipelines_in

    settings: dict[str, Any] = {}
    listed: list[tuple[str, list[Path], dict[str, Any]]] = []
    configs: list[Path] = []
    for path in files:
        if path.suffix in (".yml", ".yaml"):
            read = _yaml(path)
            if isinstance(read, list):
                try:
                    listed += pipelines_in(read, path.absolute().parent)
                except ValueError as error:
                    raise click.UsageError(f"{path}: {error}") from None
            elif isinstance(read, Mapping):
                settings |= read
        else:
            configs.append(path)
    if configs:
        listed.append(("main", configs, {}))
    if not listed:
        raise click.UsageError("no *.conf and no pipelines.yml is among FILES.")
    for name, paths, own in listed:
        if not paths:
            raise click.UsageError(f"pipeline {name}: path.config fits no file.")
        yield migrated(name, paths, {**settings, **own}, os.environ)


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read as YAML: {error}") from None


def _show(one: Migration, target: Path | None) -> None:
    click.echo(click.style(f"pipeline {visible(one.name)}", bold=True))
    for line in report(one.rows):
        judgement = line.split(" ", 1)[0]
        click.echo(click.style(visible(line), fg=COLOURS.get(judgement)))
    click.echo()
    if target is not None:
        click.echo(f"{target / 'ptingest.yaml'}:")
    click.echo(visible_yaml(one.values))


def report(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each row, what is refused first, and a last line with the counts."""
    order = ("refused", "different", "exact")
    for row in sorted(rows, key=lambda row: order.index(row.judgement)):
        how = f": {row.how}" if row.how else ""
        yield f"{row.judgement:10} {row.place}  {row.name}{how}"
    counts = [f"{sum(row.judgement == one for row in rows)} {one}" for one in reversed(order)]
    yield f"{', '.join(counts)}"


def visible_yaml(values: Mapping[str, Any]) -> str:
    """Return the text of a ptingest.yaml; passwords that were written out are shown, too."""
    import yaml

    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def _write(one: Migration, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    config = target / "ptingest.yaml"
    if config.exists():
        raise click.UsageError(f"{config} is there already; name another folder, or remove it.")
    (target / "logstash").mkdir(exist_ok=True)
    for number, file in enumerate(one.configs.files):
        (target / "logstash" / f"{number:02d}-{Path(file.name).name}").write_text(
            file.text, encoding="utf-8"
        )
    config.touch(mode=0o600)
    config.write_text(visible_yaml(one.values), encoding="utf-8")
    (target / REPORT).write_text("\n".join(report(one.rows)) + "\n", encoding="utf-8")
