from __future__ import annotations

import sys
from unittest import mock

from ptingest.server.event_loop.factory import loop_factory


def test_uvloop_is_taken_where_it_can_be_loaded() -> None:
    factory = loop_factory()
    assert factory is not None
    loop = factory()
    loop.close()

    assert type(loop).__module__ == "uvloop"


def test_without_uvloop_the_plain_loop_serves() -> None:
    with mock.patch.dict(sys.modules, {"uvloop": None}):
        assert loop_factory() is None
