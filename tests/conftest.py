"""Several processes share a run of all tests; see `tests.support.dealing`."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.dealing import deal_of, encodable, is_unit, turn_of

if TYPE_CHECKING:
    from tests.fakes.authority import Authority


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="leave out what starts processes")
    parser.addoption(
        "--every-release", action="store_true", help="all tests on every version of Elasticsearch"
    )
    parser.addoption("--image", action="store_true", help="also tests/image, which needs root")


# What measures how fast examples are made would fail on a busy machine, for nothing of ours.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    # Commands without --config use defaults, also where a server is installed.
    os.environ["PTINGEST_CONFIG"] = ""
    if config.getoption("unit") and not config.option.markexpr:
        config.option.markexpr = "not slow and not peer"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path == Path(__file__).parent / "image" and not config.getoption("image"):
        return True
    if not config.getoption("unit") or collection_path.is_dir():
        return None
    return None if is_unit(collection_path.relative_to(config.rootpath).as_posix()) else True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # the order is ours
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = deal_of
    return scheduler


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # Thousands of tests are collected and stay until the end: looking through all of them
    # again and again is a fifth of what it takes.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by its bytes only where they are text: what a compressor makes of the same
    input may differ from one process to the next, and all must collect the same tests."""
    if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()):
        return argname
    return None


def give_what_the_run_gives(item: pytest.Item, seconds: float | None) -> None:
    """Let ``--timeout`` lengthen a test's own deadline: beside others all takes longer."""
    own = item.get_closest_marker("timeout")
    if own and own.args and seconds and own.args[0] < seconds:
        item.add_marker(pytest.mark.timeout(seconds), append=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        give_what_the_run_gives(item, config.getoption("timeout"))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    return encodable((yield))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of the test's own."""
    from tests.fakes.authority import Authority  # only some tests need it, and it imports much

    return Authority(tmp_path)
