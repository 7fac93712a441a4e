"""Options of the input and the output kafka."""

from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.kafka_options import INPUT, OUTPUT, check_classes
from ptingest.pipeline.logstash.options import Option, RefusedConfig
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.tree import Plugin

STRING = "org.apache.kafka.common.serialization.String"
BYTES = "org.apache.kafka.common.serialization.ByteArray"


def check(options: tuple[Option, ...], text: str) -> None:
    (plugin,) = parse(f"input {{ kafka {{ {text} }} }}", {}, file="a.conf").inputs
    assert isinstance(plugin, Plugin)
    check_classes(check_attributes(plugin, options))


@pytest.mark.parametrize("options", [INPUT, OUTPUT])
def test_each_option_stands_once(options: tuple[Option, ...]) -> None:
    names = [one.name for one in options]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (INPUT, ""),
        (INPUT, f'key_deserializer_class => "{STRING}Deserializer"'),
        (INPUT, f'value_deserializer_class => "{BYTES}Deserializer"'),
        (OUTPUT, f'topic_id => "t" value_serializer => "{BYTES}Serializer"'),
    ],
)
def test_classes_of_texts_and_bytes_can_be_named(options: tuple[Option, ...], text: str) -> None:
    check(options, text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (INPUT, f'key_deserializer_class => "{BYTES}Deserializer"'),
        (INPUT, 'value_deserializer_class => "my.Own"'),
        (OUTPUT, 'topic_id => "t" key_serializer => "my.Own"'),
    ],
)
def test_other_classes_are_refused_with_those_that_can(
    options: tuple[Option, ...], text: str
) -> None:
    with pytest.raises(RefusedConfig, match=f"{STRING}(Deserializer|Serializer)"):
        check(options, text)
