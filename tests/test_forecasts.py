"""How long it takes is said where no bar is seen."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from asymptotics.common.running import progress


def test_long_work_without_a_bar_says_how_long_it_takes(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar(100, "work", unit="run") as watch:
        for k in range(10):
            now[0] = 3.0 + 10.0 * k  # what is compiled before the first step does not count
            watch.update()
    # 10 s a run: after the second run 98 are left, 980 s.
    assert [record.getMessage() for record in caplog.records] == [
        "work: about 16 minutes more at this pace (2 of 100 run after 10 s); Ctrl-C stops it"
    ]


@pytest.mark.parametrize(("pace", "enabled"), [(0.5, None), (10.0, False)])
def test_short_work_and_hidden_bars_say_nothing(monkeypatch, caplog, pace, enabled):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar(100, "work", enabled=enabled, unit="run") as watch:
        for k in range(100):
            now[0] = pace * k
            watch.update()
    assert caplog.records == []


def test_bars_show_in_a_notebook(monkeypatch):
    from types import SimpleNamespace

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert progress.in_notebook()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # the widgets are not installed: a bar of text
    with progress.bar(3, "work", unit="run") as watch:
        assert not watch.disable
