from __future__ import annotations

from typing import Any

import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.letter_order import exit_code, sentence

NOTHING = {
    "chosen": 0, "stored": 0, "already_stored": 0, "failure_stored": 0, "dead_lettered": 0,
    "dropped": 0, "purged": 0, "left": 0, "left_because": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("tally", "failed", "said", "code"),
    [
        pytest.param(
            {},
            None,
            "no waiting dead letter matches these options: nothing was done",
            ExitCode.FAILED,
            id="none",
        ),
        pytest.param(
            {"chosen": 3, "stored": 1, "already_stored": 1, "dropped": 1},
            None,
            "3 requeued: 1 stored, 1 already stored, 1 dropped by a rule",
            ExitCode.DONE,
            id="all are done",
        ),
        pytest.param(
            {"chosen": 2, "stored": 1, "left": 1, "left_because": "full"},
            None,
            "2 requeued: 1 stored; 1 left unchanged (full)",
            ExitCode.NOT_ALL_DELIVERED,
            id="one is left",
        ),
        pytest.param(
            {"chosen": 1, "stored": 1, "left_because": "not settled within 1 s"},
            None,
            "1 requeued: 1 stored; not all were reached (not settled within 1 s)",
            ExitCode.NOT_ALL_DELIVERED,
            id="the time was over before all were read",
        ),
        pytest.param(
            {"chosen": 1, "stored": 1},
            "disk full",
            "1 requeued: 1 stored; ended early: disk full",
            ExitCode.FAILED,
            id="it failed",
        ),
    ],
)
def test_the_closing_sentence(
    tally: dict[str, Any], failed: str | None, said: str, code: ExitCode
) -> None:
    progress = {"what": "requeue", "failed": failed, "tally": {**NOTHING, **tally}}

    assert sentence(progress) == said
    assert exit_code(progress) is code


@pytest.mark.parametrize(
    ("tally", "said", "code"),
    [
        pytest.param(
            {}, "no failure document matches these options: nothing was done", ExitCode.FAILED,
            id="none",
        ),
        pytest.param(
            {"chosen": 2, "already_stored": 2, "deleted": 4},
            "2 requeued: 2 already stored; 4 failure documents deleted",
            ExitCode.DONE,
            id="all are deleted",
        ),
        pytest.param(
            {"chosen": 2, "failure_stored": 2},
            "2 requeued: 2 in the failure store again",
            ExitCode.NOT_ALL_DELIVERED,
            id="the cause is not mended",
        ),
        pytest.param(
            {"chosen": 2, "stored": 2, "kept_because": "no right"},
            "2 requeued: 2 stored; not deleted from the failure stores (no right)",
            ExitCode.NOT_ALL_DELIVERED,
            id="they may not be deleted",
        ),
    ],
)  # fmt: skip
def test_the_closing_sentence_on_failure_documents(
    tally: dict[str, Any], said: str, code: ExitCode
) -> None:
    progress = {"what": "requeue", "of": "failures", "failed": None, "tally": {**NOTHING, **tally}}

    assert sentence(progress) == said
    assert exit_code(progress) is code
