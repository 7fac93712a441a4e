"""Which filters there are."""

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.plugins import filter_module, filter_names
from ptingest.pipeline.logstash.refused_filters import REFUSED_FILTERS
from ptingest.pipeline.logstash.tree import Place, Plugin


def plugin(name: str) -> Plugin:
    return Plugin(name, (), Place("a.conf", 3, 5))


def test_each_filter_declares_options_and_builds() -> None:
    for name in filter_names():
        module = filter_module(plugin(name))
        assert all(option.name for option in module.OPTIONS)
        assert callable(module.build)


@pytest.mark.parametrize("name", ["Mutate", "nothing", "__init__", "else", "../mutate"])
def test_an_unknown_filter_is_refused(name: str) -> None:
    with pytest.raises(RefusedConfig, match=r"a\.conf:3:5: there is no filter") as caught:
        filter_module(plugin(name))
    assert not caught.value.is_unsupported


@pytest.mark.parametrize("name", REFUSED_FILTERS)
def test_what_is_refused_by_name_does_not_exist_here(name: str) -> None:
    assert name not in filter_names()
    with pytest.raises(RefusedConfig, match=f"filter {name} is not supported: it would ") as caught:
        filter_module(plugin(name))
    assert caught.value.is_unsupported


def test_ruby_is_refused_with_a_way_out() -> None:
    with pytest.raises(RefusedConfig, match=r"python \{ path =>") as caught:
        filter_module(plugin("ruby"))
    assert caught.value.is_unsupported
