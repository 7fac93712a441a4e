"""Commands in advice, made to work when they are copied.

Advice names a command between backticks, ``run `ptingest setup` ``. It is written far from where
the config's path is known; whoever prints it adds the path here.
"""

from __future__ import annotations

import re
import shlex

_COMMAND = re.compile(r"`(ptingest (?!(?:send|compare|config|profile|files)\b)[a-z][^`\n]*)`")
"""All but those that take no config."""


def naming_config(text: str, config: str | None) -> str:
    """Return the text with ``--config FILE`` in each command; None: none of them needs it."""
    if config is None or "`ptingest " not in text:
        return text
    option = f" --config {shlex.quote(config)}"
    return _COMMAND.sub(lambda found: f"`{_with(found[1], option)}`", text)


def _with(command: str, option: str) -> str:
    return command if "--config" in command else command + option
