"""Widgets and pictures of one visitor: what moves, what follows."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import Button, CustomJS, Div, LayoutDOM, Slider, TabPanel, Tabs, TextAreaInput, TextInput

from .. import api
from ..common.input.checks import ComputationError, InputError
from ..common.input.texts import value as parsed
from ..common.output.results import Result
from ..experiment import Experiment
from .knobs import Field, Knob
from .pictures import Picture
from .simulation import Simulation
from .state import State

#: Milliseconds without a change after which the exact density replaces the draft; between two looks at a simulation.
PAUSE, LOOK = 300, 300
#: Hands a text to the browser as a file.
DOWNLOAD = """
const link = document.createElement('a');
link.href = URL.createObjectURL(new Blob([area.value], {type: 'application/toml'}));
link.download = 'experiment.toml';
link.click();
URL.revokeObjectURL(link.href);
"""
#: The changes as the page's address.
ADDRESS = "window.history.replaceState(null, '', window.location.pathname + (area.value ? '?' + area.value : ''));"


class Page:
    """What one visitor sees.

    Parameters
    ----------
    document : Document
    experiment : Experiment
    source : str
        Name or file that it came from.
    """

    def __init__(self, document: Document, experiment: Experiment, source: str) -> None:
        self.document, self.state = document, State(experiment, source)
        context = document.session_context
        arguments = context.request.arguments if context is not None and context.request is not None else {}
        self.error = Div(text="", name="error", styles={"color": "#b00020"})
        try:
            self.state.adopt(State.from_query(arguments))
        except (InputError, ComputationError) as refused:
            self.state.adopt({})
            self.error.text = html.escape(str(refused))
        self.runs: Result | None = None
        self.simulation: Simulation | None = None
        self.pending: Any = None
        self.watch: Any = None
        last = self.state.last_time
        self.tau = Slider(
            start=0.0, end=last or 1.0, value=last or 1.0, step=(last or 1.0) / 200, title="τ", name="tau",
            visible=last is not None,
        )  # fmt: skip
        self.tau.on_change("value", lambda attr, old, new: self.show())
        self.pictures = {view.name: Picture(view) for view in self.state.views(self.tau.value)}
        self.texts = {
            name: TextAreaInput(value="", rows=16, cols=70, name=name)
            for name in ("toml", "command", "python", "query")
        }
        self.texts["query"].visible = False
        self.texts["query"].js_on_change("value", CustomJS(args={"area": self.texts["query"]}, code=ADDRESS))
        self.verdict = Div(text="", name="verdict")
        self.start = Button(label="simulate", name="simulate", button_type="primary")
        self.cancel = Button(label="cancel", name="cancel", disabled=True)
        self.progress = Div(text="", name="progress")
        self.start.on_click(self.begin)
        self.cancel.on_click(self.stop)
        document.add_root(self._layout())
        document.title = f"{source}: asymptotics"
        document.on_session_destroyed(lambda _: self.stop())
        self.say()
        self.settle()

    # layout ----------------------------------------------------------------------------------------------------

    def _layout(self) -> LayoutDOM:
        knobs, fields = self.state.controls()
        tables: list[LayoutDOM] = []
        controls: list[Knob | Field] = sorted([*knobs, *fields], key=lambda c: c.key.partition(".")[0])
        for table, group in groupby(controls, key=lambda c: c.key.partition(".")[0]):
            inner = [self._slider(c) if isinstance(c, Knob) else self._text(c) for c in group]
            tables.append(column(Div(text=f"<b>[{html.escape(table)}]</b>"), *inner))
        left = column(*tables, width=290, styles={"overflow-y": "auto", "max-height": "92vh"})
        shown = [column(p.figure, p.note) for p in self.pictures.values()]
        grid = column(*(row(*shown[k : k + 2]) for k in range(0, len(shown), 2)))
        download = Button(label="download TOML", name="download")
        download.js_on_click(CustomJS(args={"area": self.texts["toml"]}, code=DOWNLOAD))
        titles = {"toml": "TOML", "command": "command", "python": "Python"}
        ways = Tabs(tabs=[TabPanel(child=self.texts[name], title=title) for name, title in titles.items()])
        below = row(column(row(self.start, self.cancel), self.progress, self.verdict), column(ways, download))
        return row(left, column(self.error, self.tau, grid, below, self.texts["query"]))

    def _slider(self, knob: Knob) -> Slider:
        slider = Slider(
            start=knob.low, end=knob.high, value=knob.value, step=knob.step, title=knob.title, width=260,
            name=f"{knob.key}{''.join(f'[{k}]' for k in knob.at)}", format="0[.]0000",
        )  # fmt: skip
        slider.on_change("value", self._moved(slider, knob))
        return slider

    def _moved(self, slider: Slider, knob: Knob) -> Callable[[str, object, float], None]:
        def moved(attr: str, old: object, new: float) -> None:
            value = round(new) if knob.whole else float(new)
            self.attempt(lambda: self.state.change(knob.key, value, knob.at))

        return moved

    def _text(self, field: Field) -> TextInput:
        shown = field.value if isinstance(field.value, str) else json.dumps(field.value)
        entry = TextInput(value=shown, title=field.key.partition(".")[2], width=260, name=field.key)

        def typed(attr: str, old: object, new: str) -> None:
            value = new if isinstance(field.value, str) else parsed(new)
            good = self.attempt(lambda: self.state.change(field.key, value))
            entry.styles = {} if good else {"outline": "2px solid #b00020"}

        entry.on_change("value", typed)
        return entry

    # what follows a change -------------------------------------------------------------------------------------

    def attempt(self, change: Callable[[], None]) -> bool:
        """Make a change and show what follows; one that is refused says why and changes nothing."""
        try:
            change()
        except (InputError, ComputationError) as refused:
            self.error.text = html.escape(str(refused))
            return False
        self.error.text = ""
        if self.runs is not None:
            # They belong to another experiment now.
            self.runs, self.verdict.text = None, ""
        last = self.state.last_time
        if last is not None and last != self.tau.end:
            at_end = self.tau.value == self.tau.end
            self.tau.update(end=last, step=last / 200, value=last if at_end else min(self.tau.value, last))
        self.show()
        self.say()
        return True

    def show(self, *, draft: bool = True) -> None:
        """The pictures of now; after a pause the exact ones."""
        for view in self.state.views(self.tau.value, runs=self.runs, draft=draft):
            self.pictures[view.name].show(view)
        if draft:
            if self.pending is not None:
                self.document.remove_timeout_callback(self.pending)
            self.pending = self.document.add_timeout_callback(self.settle, PAUSE)

    def settle(self) -> None:
        """The exact pictures."""
        self.pending = None
        self.show(draft=False)

    def say(self) -> None:
        """The experiment as file, command, script and address."""
        self.texts["toml"].value = self.state.toml()
        self.texts["command"].value = self.state.command()
        self.texts["python"].value = self.state.python()
        self.texts["query"].value = self.state.query()

    # the full process ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the simulation of the experiment as it stands."""
        self.stop()
        self.simulation = Simulation(self.state.toml())
        self.start.disabled, self.cancel.disabled = True, False
        self.progress.text = "0 %"
        self.watch = self.document.add_periodic_callback(self.look, LOOK)

    def look(self) -> None:
        """How far the simulation is; its runs and the verdict when it has ended."""
        simulation = self.simulation
        if simulation is None:
            return
        self.progress.text = f"{simulation.progress} %"
        if simulation.running:
            return
        try:
            self.runs = simulation.result()
            verdict = api.compare(self.state.answer, self.runs)
            self.verdict.text = f"<pre>{html.escape(verdict.summary())}</pre>"
            self.progress.text = "100 %"
        except (InputError, ComputationError) as failed:
            self.error.text = html.escape(str(failed))
            self.progress.text = ""
        self.stop(said=self.progress.text)
        self.show(draft=False)

    def stop(self, said: str = "") -> None:
        """End the simulation if there is one."""
        if self.watch is not None:
            self.document.remove_periodic_callback(self.watch)
            self.watch = None
        if self.simulation is not None:
            self.simulation.stop()
            self.simulation = None
        self.start.disabled, self.cancel.disabled = False, True
        self.progress.text = said
