"""One BLAS thread: the matrices of these tests are small, and other processes may be busy."""

from __future__ import annotations

import pytest

from asymptotics.common.running.threads import single_threaded


@pytest.fixture(autouse=True)
def one_thread():
    with single_threaded():
        yield
