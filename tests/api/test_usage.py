from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading

from ptingest.api.usage import Usage, own_usage, usage_of


def test_what_we_use_is_what_the_kernel_says() -> None:
    found, own = own_usage(), resource.getrusage(resource.RUSAGE_SELF)

    assert found.cpu_seconds >= own.ru_utime + own.ru_stime - 1.0
    assert 1 << 20 < found.memory_bytes <= found.virtual_bytes
    assert found.threads >= threading.active_count()
    assert found.open_files >= 3


def test_several_are_added_up_and_one_that_is_gone_is_left_out() -> None:
    alone = usage_of([os.getpid()])
    twice = usage_of([os.getpid(), os.getpid(), 1 << 30])

    assert twice.virtual_bytes >= 2 * alone.virtual_bytes - (1 << 24)
    assert usage_of([1 << 30]) == Usage()


def test_what_children_that_are_gone_have_used_stays() -> None:
    before = own_usage().cpu_seconds
    spend = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"

    subprocess.run([sys.executable, "-c", spend], check=True)

    assert own_usage().cpu_seconds >= before + 0.25
