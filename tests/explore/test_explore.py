"""The explorer in a real browser: what a slider moves, what is taken along, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.explore.knobs import controls
from asymptotics.explore.state import State

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def small():
    return asy.example("three-clusters").replace(
        {"simulation.dimension": 100, "simulation.runs": 2, "simulation.samples": 1}
    )


def test_every_number_has_a_slider():
    knobs, fields = controls(small())
    titles = {f"{k.key.partition('.')[0]}.{k.title}" for k in knobs}
    assert {"training.learning_rate", "training.tau", "training.times[1]", "target.centroids[2][2]"} <= titles
    assert {f.key for f in fields} >= {"denoiser.activation", "interpolant.alpha"}
    assert all(k.low <= k.value <= k.high for k in knobs)


def test_changes_are_kept_refused_and_taken_along(tmp_path):
    state = State(small(), "three-clusters")
    state.change("training.times", 0.6, (0,))
    state.change("target.weights", 0.5, (1,))
    assert sum(state.experiment.tables["target"]["weights"]) == pytest.approx(1.0)
    with pytest.raises(asy.InputError, match=r"training\.learning_rate"):
        state.change("training.learning_rate", -1.0)
    assert state.experiment.tables["training"]["learning_rate"] == 0.1
    expected = asy.solve(state.experiment)(4.0).Q
    (tmp_path / "taken.toml").write_text(state.toml(), encoding="utf-8")
    np.testing.assert_array_equal(asy.solve(str(tmp_path / "taken.toml"))(4.0).Q, expected)
    names: dict = {}
    exec(state.python().replace("three-clusters", str(tmp_path / "taken.toml")).rpartition("print")[0], names)
    np.testing.assert_array_equal(names["path"](4.0).Q, expected)
    from urllib.parse import parse_qs

    arguments = {k: [v.encode() for v in values] for k, values in parse_qs(state.query()).items()}
    again = State(small(), "three-clusters")
    again.adopt(State.from_query(arguments))
    assert again.experiment == state.experiment and again.command() == state.command()


def test_drafts_are_near_the_exact_density():
    state = State(small(), "three-clusters")
    quick, exact = ({v.name: v for v in state.views(4.0, draft=draft)}["density"].plane for draft in (True, False))
    assert np.abs(quick.values - exact.values).max() < 0.05 * exact.values.max()
    cell = np.diff(exact.x)[0] * np.diff(exact.y)[0]
    assert exact.values.sum() * cell == pytest.approx(1.0, abs=0.02)
    # b is small at first: the density collapses to specks below a pixel, which still carry all of the mass.
    specks = {v.name: v for v in state.views(1.0)}["density"]
    assert "averaged over pixels" in specks.note
    assert specks.plane.values.sum() * np.diff(specks.plane.x)[0] ** 2 == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", ["one-step", "mixture_flow"])
def test_other_systems_show_their_columns(name):
    chosen = asy.example("binary-mixture" if name == "mixture_flow" else name)
    views = State(chosen, name).views(0.0)
    assert len(views) == 1 and (views[0].curves or views[0].note)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("bokeh", reason="the extra `explore` is not installed")
    command = [sys.executable, "-m", "asymptotics", "explore", "three-clusters", "--no-browser"]
    for change in ("simulation.dimension=100", "simulation.runs=2", "simulation.samples=1"):
        command += ["--set", change]
    folder = tmp_path_factory.mktemp("explore")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        line = process.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/", line).group()
        process.terminate()
        # The server says that it ends: its pipe must stay open until then.
        process.communicate(timeout=300)


@pytest.mark.ci
def test_the_server_listens_on_this_machine_alone(address):
    assert b"bokeh" in urllib.request.urlopen(address, timeout=300).read().lower()


@pytest.fixture(scope="module")
def page(address):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1100}, accept_downloads=True)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        page.wait_for_function(
            "window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].get_model_by_name('tau')", timeout=300_000
        )
        yield page
        browser.close()


def model(page, name, field):
    return page.evaluate(f"Bokeh.documents[0].get_model_by_name({json.dumps(name)}).{field}")


def last(page):
    return page.evaluate("Array.from(Bokeh.documents[0].get_model_by_name('order_parameters:Q11').data.y).at(-1)")


def wait(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def test_a_slider_moves_the_curve_and_the_file_gives_the_same_numbers(page, tmp_path):
    before = last(page)
    assert before == pytest.approx(0.729732, abs=1e-5)
    page.get_by_text("learning_rate").first.scroll_into_view_if_needed()
    slider = (
        page.locator(".bk-Slider, .bk-input-group", has=page.get_by_text("learning_rate")).locator(".noUi-handle").first
    )
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    wait(lambda: last(page) != before and model(page, "training.learning_rate", "value") > 0.1)
    rate = model(page, "training.learning_rate", "value")
    wait(lambda: f"learning_rate = {rate}" in model(page, "toml", "value"))
    wait(lambda: f"training.learning_rate={rate}" in page.url)
    with page.expect_download() as taken:
        page.get_by_role("button", name="download TOML").click()
    file = tmp_path / "taken.toml"
    taken.value.save_as(file)
    path = asy.solve(str(file))
    assert path(path.tau_max).Q[0, 0] == pytest.approx(last(page), rel=1e-12)
    assert {url.split("/")[2].partition(":")[0] for url in page.asked if url.startswith(("http", "ws"))} == {
        "127.0.0.1"
    }


def test_a_bad_value_is_refused_in_the_field(page):
    field = page.get_by_label("alpha")
    before = last(page)
    field.fill("1 - t^2")
    field.press("Enter")
    wait(lambda: "alpha" in model(page, "error", "text"))
    assert last(page) == before
    field.fill("1 - t")
    field.press("Enter")
    wait(lambda: model(page, "error", "text") == "")


@pytest.mark.slow
def test_a_simulation_is_started_cancelled_and_judged(page):
    page.get_by_role("button", name="simulate").click()
    wait(lambda: not model(page, "cancel", "disabled"))
    page.get_by_role("button", name="cancel").click()
    wait(lambda: model(page, "cancel", "disabled"))
    page.get_by_role("button", name="simulate").click()
    wait(lambda: "numbers compared" in model(page, "verdict", "text"), 180)
    wait(lambda: page.evaluate("Boolean(Bokeh.documents[0].get_model_by_name('order_parameters:Q11 measured'))"))
