"""One target under the coverage-guided fuzzer, in a process of its own: libFuzzer's.

    python -m tests.fuzz.guided TARGET [libFuzzer's options] CORPUS...

Run by ``tests.fuzz.__main__``, which knows the folders.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ptingest"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Give the rest of the command line to libFuzzer, which ends the process."""
    program, name, *options = sys.argv
    check = TARGETS[name].check
    atheris.Setup([program, *options], lambda data: check(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
