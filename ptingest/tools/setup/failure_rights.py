"""The privileges for `ptingest failures`, as parts of the writer's role.

    read     read_failure_store on the data streams: list, show, requeue
    purge    delete on the failure stores' own indices as well: requeue --purge

``manage_failure_store`` is no part of them: it may delete whole indices of a failure store, and
no document (seen on 8.19 and 9.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ptingest.sinks.elasticsearch.names import ROLE
from ptingest.sinks.elasticsearch.templates import is_failure_store_known

if TYPE_CHECKING:
    from ptingest.tools.setup.plan import FailureRights, Step

READ = "read_failure_store"
STORES = ".fs-"
"""How the names of a failure store's indices begin."""


def with_failure_rights(
    role: dict[str, Any], rights: FailureRights, patterns: Sequence[str]
) -> dict[str, Any]:
    """Return a role that may also read failure stores, or delete from them."""
    if rights == "none":
        return role
    first, *others = role["indices"]
    first = {**first, "privileges": [*first["privileges"], READ]}
    if rights == "purge":
        stores = [f"{STORES}{pattern}-*" for pattern in patterns]
        others.append({"names": stores, "privileges": ["delete"]})
    return {**role, "indices": [first, *others]}


def without_failure_rights(step: Step, version: str) -> Step:
    """Return the step without them for a server that has no failure store: it would refuse all
    of the role."""
    if is_failure_store_known(version) or step.part not in ("role", "api-key"):
        return step
    is_key = step.part == "api-key"
    role = step.body["role_descriptors"][ROLE] if is_key else step.body
    rows = [
        {**row, "privileges": [one for one in row["privileges"] if one != READ]}
        for row in role["indices"]
        if not row["names"][0].startswith(STORES)
    ]
    if rows == role["indices"]:
        return step
    less = {**role, "indices": rows}
    body = {**step.body, "role_descriptors": {ROLE: less}} if is_key else less
    subject = f"{step.subject} (no failure store: {version} has none)"
    return replace(step, subject=subject, body=body)
