from __future__ import annotations

import pytest

from tests.support.failure_documents import failure


@pytest.mark.parametrize(("key", "own"), [("k", "k"), (None, failure().id)])
def test_a_document_is_requeued_under_its_key_or_else_under_its_id(
    key: str | None, own: str
) -> None:
    assert failure()._replace(key=key).own_key == own
