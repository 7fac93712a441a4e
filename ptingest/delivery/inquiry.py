"""When an idle sink is asked how it is, and what its answer means for readiness. Pure.

A lane that writes knows how its sink is. One that has nothing to write would call a sink
well that is down, and for ever call one down that came back: so it asks, now and then.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.model.contracts import Finding

WELL_SECONDS = 60.0
"""How often an idle sink is asked that was well."""
TROUBLED_SECONDS = 5.0
"""How often one is asked that was not: whoever waits for readiness waits for this."""


def is_due(now: float, *, heard_at: float | None, is_idle: bool, is_troubled: bool) -> bool:
    """Whether to ask now; times are monotonic seconds.

    ``heard_at``: when a write or a check last ended; None before the first.
    """
    if not is_idle:
        return False
    if heard_at is None:
        return True
    return now - heard_at >= (TROUBLED_SECONDS if is_troubled else WELL_SECONDS)


def trouble_after(findings: Sequence[Finding], before: str | None) -> str | None:
    """Why nothing can be written by these findings, given why it could not before.

    Findings that do not stop everything say nothing of the sink as a whole: a trouble that a
    write met stays until a write, or a check without any complaint, shows that it is over.
    """
    for finding in findings:
        if not finding.ok and finding.stops_all:
            return f"{finding.detail}; {finding.cure}" if finding.cure else finding.detail
    return None if all(finding.ok for finding in findings) else before
