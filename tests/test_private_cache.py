"""Nothing of another user is run: who may write to the cache."""

from __future__ import annotations

import logging
import os
import stat

import pytest

from asymptotics.common.numerics.code import cache


@pytest.fixture
def fresh(monkeypatch):
    """Decisions about folders are made anew."""
    monkeypatch.setattr(cache, "_safe", {})


def test_a_new_cache_is_private(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "a" / "cache"))
    found = cache.cache_directory()
    assert found == tmp_path / "a" / "cache"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o775])
def test_nothing_is_run_from_a_folder_that_others_can_write(tmp_path, monkeypatch, fresh, caplog, mode):
    """What was planted there is not read; kernels go to a new private folder, which is said once."""
    from asymptotics.common.numerics.code import codegen

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(shared))
    key = codegen.source_key("asymptotics.common.numerics.code.cache", also="planted")
    planted = "raise SystemExit('planted')\n"
    (shared / f"source_{key}.txt").write_text(f"{codegen._mark(planted)}\n{planted}")
    with caplog.at_level(logging.WARNING):
        text = codegen.cached_source("planted", ["asymptotics.common.numerics.code.cache"], lambda: "x = 1\n")
        found = cache.cache_directory()
    assert text == "x = 1\n"
    assert found != shared
    assert found.parent != shared
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert [record.getMessage().count("can be written by others") for record in caplog.records] == [1]


def test_a_folder_of_another_user_or_below_an_open_one_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "open" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    assert cache.refusal(folder) == ""
    folder.parent.chmod(0o777)
    assert "can be replaced by others" in cache.refusal(folder)
    folder.parent.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert "another user" in cache.refusal(folder)


def test_the_users_own_folder_is_tightened_and_emptied(tmp_path, monkeypatch, fresh):
    """The default folder, left open by an earlier version's umask: what was in it is not trusted."""
    import platformdirs

    folder = tmp_path / "asymptotics"
    folder.mkdir()
    folder.chmod(0o775)
    (folder / f"source_{'0' * 24}.txt").write_text("planted")
    (folder / "mine.txt").write_text("kept")
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda _: str(folder))
    assert cache.cache_directory() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
