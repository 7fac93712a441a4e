"""What becomes of each plugin and option of a config here: exact, different (and how), refused.

For ``check`` and ``migrate``: nothing that a config says is left out silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ptingest.pipeline.logstash import inputs, kafka_options, output_options
from ptingest.pipeline.logstash.options import Option, RefusedConfig
from ptingest.pipeline.logstash.plugins import COMMON_OPTIONS, filter_module
from ptingest.pipeline.logstash.tree import (
    Array,
    Attribute,
    Branch,
    Config,
    Number,
    Plugin,
    Statement,
    Text,
    Value,
)

Judgement = Literal["exact", "different", "refused"]
Section = Literal["input", "filter", "output"]

_CIPHERS = "OpenSSL chooses among its own ciphers, all of them with forward secrecy"
_VERSIONS = "TLS 1.2 and 1.3 are spoken, or 1.3 alone where nothing else is asked for"
_SPOKEN = [
    frozenset(one)
    for one in ({"TLSv1.2", "TLSv1.3"}, {"TLSv1.3"}, {"1.2"}, {"1.3"})
]  # fmt: skip
_TRANSPORT = {
    ("input", "ssl_cipher_suites"): _CIPHERS,
    ("input", "cipher_suites"): _CIPHERS,
    ("input", "tls_max_version"): "TLS 1.3 is offered as well",
    ("input", "client_inactivity_timeout"): "a connection with an open window is never idle here",
    ("input", "auto_offset_reset"): "it decides where a partition begins; where the group's offset "
    "is gone, the oldest record that is there is read",
    ("input", "isolation_level"): "records of transactions that were aborted are never read",
    ("output", "ssl_cipher_suites"): _CIPHERS,
    ("output", "ssl_supported_protocols"): "TLS 1.2 and 1.3 are spoken",
}
"""Options that are followed in another way."""


class OptionRow(NamedTuple):
    """What becomes of one plugin, or of one of its options."""

    place: str
    section: Section
    plugin: str
    option: str
    """Empty for the plugin itself."""
    judgement: Judgement
    how: str = ""


def rows_of(config: Config) -> list[OptionRow]:
    """Return a row for each plugin and each option, in the order written."""
    sections: tuple[tuple[Section, tuple[Statement, ...]], ...] = (
        ("input", config.inputs),
        ("filter", config.filters),
        ("output", config.outputs),
    )
    return [
        row
        for section, statements in sections
        for plugin in plugins_in(statements)
        for row in _rows(section, plugin)
    ]


def plugins_in(statements: Iterable[Statement]) -> Iterator[Plugin]:
    """Yield every plugin, also below conditions."""
    for statement in statements:
        if isinstance(statement, Branch):
            for _, block in statement.arms:
                yield from plugins_in(block)
        else:
            yield statement


def _rows(section: Section, plugin: Plugin) -> Iterator[OptionRow]:
    place = str(plugin.place)
    try:
        known = {one.name: one for one in _declared(section, plugin)}
    except RefusedConfig as error:
        yield OptionRow(place, section, plugin.name, "", "refused", error.sentence)
        return
    yield OptionRow(place, section, plugin.name, "", "exact")
    for attribute in plugin.attributes:
        judgement, how = _judged(section, attribute, known.get(attribute.name))
        yield OptionRow(str(attribute.place), section, plugin.name, attribute.name, judgement, how)


def _judged(section: Section, attribute: Attribute, option: Option | None) -> tuple[Judgement, str]:
    if option is None:
        return "refused", "there is no such option"
    if option.refused:
        return "refused", option.refused
    how = option.ignored or _TRANSPORT.get((section, attribute.name), "")
    if attribute.name == "acks" and _texts_of(attribute.value) == {"all"}:
        how = ""
    if section == "input" and attribute.name in ("ssl_supported_protocols", "tls_min_version"):
        how = "" if _texts_of(attribute.value) in _SPOKEN else _VERSIONS
    return ("different", how) if how else ("exact", "")


def _texts_of(value: Value) -> frozenset[str]:
    """The texts of one value or of a list."""
    items = value.items if isinstance(value, Array) else (value,)
    return frozenset(str(one.value) for one in items if isinstance(one, (Text, Number)))


def _declared(section: Section, plugin: Plugin) -> tuple[Option, ...]:
    if section == "filter":
        return (*COMMON_OPTIONS, *filter_module(plugin).OPTIONS)
    if section == "input":
        if plugin.name in inputs.BEATS:
            return inputs.OPTIONS
        if plugin.name == inputs.KAFKA:
            return kafka_options.INPUT
        raise RefusedConfig(plugin.place, "events come from Beats and Kafka here")
    outputs = {
        "elasticsearch": output_options.ELASTICSEARCH,
        "file": output_options.FILE,
        "stdout": output_options.STDOUT,
        "kafka": kafka_options.OUTPUT,
    }
    if plugin.name not in outputs:
        raise RefusedConfig(plugin.place, f"there is no output {plugin.name} here")
    return outputs[plugin.name]
