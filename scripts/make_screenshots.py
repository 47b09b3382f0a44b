"""Make the pictures of the desk in docs/images from the sample movie and the bundled network.

Usage: python scripts/make_screenshots.py [FOLDER [time | ceria]]

Without a screen it starts itself again under Xvfb. Look at the pictures before you commit them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WINDOW = (1440, 900)  # px
LONGEST_S = 900.0


def wait_until(app, condition, what: str) -> None:
    """Let the window live until the condition holds."""
    end = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain: {what}")
        app.processEvents()
        time.sleep(0.01)


def settle(app, seconds: float = 0.7) -> None:
    """Let everything be drawn."""
    end = time.monotonic() + seconds
    wait_until(app, lambda: time.monotonic() > end, "the clock")


def make(folder: Path, only: str = "") -> None:
    """Walk through the main job and take the pictures.

    ``only="time"`` takes those of section 4 alone, ``only="ceria"`` that of CeO2.
    """
    import napari
    from napari.settings import get_settings
    from PIL import Image
    from qtpy.QtWidgets import QApplication

    from napari_atomcount.io.figures import liveliest_site

    get_settings().application.window_maximized = False
    viewer = napari.Viewer(show_welcome_screen=False)
    app = QApplication.instance()
    window = viewer.window._qt_window
    window.resize(*WINDOW)
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomcount", "Atom Count")

    def shoot(name: str) -> None:
        settle(app)
        picture = Image.fromarray(viewer.window.screenshot(flash=False)[..., :3])
        picture.save(folder / f"{name}.png", optimize=True)  # all colours: fewer would falsify the counts
        print(f"wrote {folder / name}.png")

    if only == "ceria":
        shoot_ceria(app, viewer, dock, shoot)
        viewer.close()
        return
    if only == "time":
        viewer.open_sample("napari-atomcount", "hopping")
        wait_until(app, lambda: dock.model.domain is not None, "the first look")
        dock.network.run_all.click()
        wait_until(app, lambda: dock.model.analysis is not None and not dock.runner.busy, "the analysis")
        shoot_time(app, viewer, dock, shoot, folder)
        viewer.close()
        return
    shoot("desk_start")
    viewer.open_sample("napari-atomcount", "hopping")
    wait_until(app, lambda: dock.model.domain is not None, "the first look")
    shoot("desk_movie")
    dock.network.run_all.click()
    wait_until(app, lambda: dock.model.run is not None and len(dock.model.run.frames) >= 8, "eight frames")
    dock.layers.show_frame(5)
    shoot("desk_running")
    wait_until(app, lambda: dock.model.analysis is not None and not dock.runner.busy, "the analysis")
    site = liveliest_site(dock.model.analysis)
    events = dock.model.analysis.events
    events = events[events["site_id"] == site]
    dock.view.show_event(int(events["frame"].iloc[0]) if len(events) else 0, -1 if site is None else site)
    settle(app)
    viewer.reset_view(margin=0.02)
    shoot("atom_count")
    for overlay in ("occupancy", "events"):
        dock.time.set_overlay(overlay)
        dock.time.overlay_chosen.emit(overlay)
        shoot(f"desk_{overlay}")
    dock.time.set_overlay("columns")
    dock.time.overlay_chosen.emit("columns")
    dock.network.card_button.click()
    shoot("desk_card")
    dock.network.card_button.click()
    shoot_time(app, viewer, dock, shoot, folder)
    shoot_review(app, viewer, dock, shoot)
    shoot_strain(app, viewer, dock, shoot)
    dock.strain.section.set_open(False)
    dock.strain.panel.parentWidget().hide()
    shoot_comparison(app, viewer, dock, shoot)
    shoot_prepare(app, viewer, dock, shoot, folder)
    viewer.close()


def shoot_ceria(app, viewer, dock, shoot) -> None:
    """CeO2: cerium and oxygen columns, one of these selected in Correct mode."""
    viewer.open_sample("napari-atomcount", "ceria")
    wait_until(app, lambda: dock.model.domain is not None, "the first look")
    choice = dock.network.choice
    choice.setCurrentIndex(choice.findText("ceo2-110-hrtem"))
    choice.activated.emit(choice.currentIndex())
    settle(app)
    dock.network.run_all.click()
    wait_until(app, lambda: dock.model.analysis is not None and not dock.runner.busy, "the analysis")
    dock.movie.set_open(False)
    dock.reviewing.section.correct.click()
    review = dock.reviewing.review
    oxygen = review.columns[review.columns["label"] == "O"]
    middle = (oxygen["y"] - oxygen["y"].mean()).abs() + (oxygen["x"] - oxygen["x"].mean()).abs()
    review.select([int(oxygen["column_id"][middle.idxmin()])])
    viewer.reset_view(margin=0.02)
    viewer.scene.camera.zoom *= 1.7
    settle(app, 2.0)
    shoot("desk_ceria")
    review.set_on(False)


def shoot_time(app, viewer, dock, shoot, folder: Path) -> None:
    """Section 4: each plot in time, one picture each, and the window with the map of events."""
    from napari_atomcount.gui import time_plots
    from napari_atomcount.io.tables import write_analysis

    control, plots = dock.time_plots, dock.time.plots
    folded = (dock.movie, dock.network, dock.reviewing.section, dock.strain.section)
    opened = [section for section in folded if section.is_open]
    for section in folded:
        section.set_open(False)

    def choose(name: str) -> None:
        plots.choice.setCurrentText(name)
        plots.choice.textActivated.emit(name)
        wait_until(app, lambda: not control.working, name)
        settle(app)

    def take(name: str, file: str) -> None:
        choose(name)
        plots.grab().save(str(folder / f"time-dock-{file}.png"))
        print(f"wrote {folder / f'time-dock-{file}.png'}")

    for name in (time_plots.RATE, time_plots.GROUPS, time_plots.DWELL, time_plots.ATOMS, time_plots.DRIFT):
        take(name, name.replace(" ", "-"))
    take(time_plots.ADATOMS, "adatoms")
    sites = dock.model.analysis.sites  # the row of sites at the top of the particle
    top = sites.nsmallest(9, "y")[["y", "x"]].sort_values("x").to_numpy(float)
    control.set_line([tuple(top[0]), tuple(top[-1])])
    take(time_plots.KYMOGRAPH, "kymograph")
    with tempfile.TemporaryDirectory() as home:  # the first half of the movie takes the place of another one
        other = Path(home) / "first half"
        write_analysis(first_half(dock.model), other)
        control.add_movie(other)
        wait_until(app, lambda: len(control.others.movies) > 0, "the other movie")
    take(time_plots.COMPARE, "compare")
    take(time_plots.DOSE, "dose")
    log = folder / "ramp.csv"
    log.write_text("time (s),T (°C)\n0,20\n2,20\n6,300\n8,300\n", encoding="utf-8")
    choose(time_plots.RATE)
    control.load_log(log)
    log.unlink()
    take(time_plots.RATE, "log")
    before = dock.model.analysis
    dock.time.rotation.click()
    wait_until(app, lambda: dock.model.analysis is not before and not dock.runner.busy, "the rotation")
    take(time_plots.TURN, "turn")
    for name in ("facet", "adatoms"):
        if name in viewer.layers:
            viewer.layers.remove(name)
    choose(time_plots.EVENT_MAP)
    viewer.reset_view(margin=0.02)
    shoot("time-dock-event-map")
    before = dock.model.analysis
    dock.time.rotation.click()
    wait_until(app, lambda: dock.model.analysis is not before and not dock.runner.busy, "no rotation")
    choose(time_plots.RATE)
    dock.time.set_overlay("columns")
    dock.time.overlay_chosen.emit("columns")
    for section in opened:
        section.set_open(True)


def first_half(model):
    """The analysis of the first half of the frames, followed on their own."""
    from napari_atomcount.pipeline.analysing import analyze
    from napari_atomcount.records.settings import AnalysisSettings

    half = AnalysisSettings(frames=(0, model.movie.n_frames // 2))
    return analyze(model.movie, model.card, half)


def shoot_strain(app, viewer, dock, shoot) -> None:
    """Section 5: the map, a line's profile, facets, phase analysis, what could be an artefact."""
    desk = dock.strain
    for section in (dock.movie, dock.network, dock.reviewing.section, dock.time):
        section.set_open(False)
    desk.section.set_open(True)
    desk.section.template.setEditText("fcc110:Au")
    desk.section.add.click()
    desk.section.all.click()
    wait_until(app, lambda: desk.found is not None and not dock.runner.busy, "the strain")
    settle(app)
    viewer.reset_view(margin=0.02)
    shoot("strain_desk")
    desk.section.show_.map.setChecked(True)
    desk.section.show_.axes.setChecked(True)
    rows, cols = dock.model.movie.shape[1:]
    desk.take_drawing("line", ((0.35 * rows, 0.3 * cols), (0.65 * rows, 0.7 * cols)), True)
    shoot("strain_line")
    desk.section.show_.map.setChecked(False)
    desk.section.show_.axes.setChecked(False)
    desk.section.show_.component.setCurrentIndex(desk.section.show_.component.findData("relaxation"))
    desk.panel.tabs.setCurrentIndex(3)
    shoot("strain_facets")
    desk.section.show_.component.setCurrentIndex(0)
    desk.section.more.compare.click()
    wait_until(app, lambda: not dock.runner.busy, "phase analysis")
    shoot("strain_gpa")
    desk.layers.show_only({"GPA strain": False})
    desk.section.more.simulate.click()
    wait_until(app, lambda: desk.found.artefact is not None and not dock.runner.busy, "the simulation")
    desk.panel.tabs.setCurrentIndex(0)
    shoot("strain_artefact")


def shoot_review(app, viewer, dock, shoot) -> None:
    """Section 3: Correct mode on the most uncertain column with some edits around it, and its keys."""
    reviewing, review = dock.reviewing, dock.reviewing.review
    for section in (dock.movie, dock.network, dock.time):
        section.set_open(False)
    reviewing.section.correct.click()
    review.next()
    uncertain = list(review.selected)
    around = review.columns.sort_values("y").iloc[4:30:6]
    for column in around["column_id"]:
        review.select([column])
        review.change_count(1)
    right = review.columns.sort_values("x").iloc[-1]
    review.add(float(right["y"]) + 14.0, float(right["x"]) + 8.0)
    review.set_count(1)
    edits = len(around) + 2
    viewer.reset_view(margin=0.02)
    review.select(uncertain)
    settle(app, 2.0)
    shoot("desk_correct")
    reviewing.section.show_keys_button.click()
    shoot("desk_keys")
    reviewing.section.show_keys_button.click()
    for _ in range(edits):
        review.undo()
    review.set_on(False)
    wait_until(app, lambda: not dock.refollower.busy, "the edits' end")


def shoot_comparison(app, viewer, dock, shoot) -> None:
    """Section 1: two runs of one model, the second with a higher threshold, on one frame."""
    dock.time.set_overlay("columns")
    dock.time.overlay_chosen.emit("columns")
    for layer in viewer.layers:  # what the last pictures have drawn
        layer.visible = layer.visible and layer in (dock.layers.movie_layer(), dock.layers.get("columns"))
    settings = dock.model.settings
    detect = settings.detect.model_copy(update={"threshold": 0.95})
    dock.model.settings = settings.model_copy(update={"detect": detect})
    dock.commands.run_all()
    wait_until(app, lambda: not dock.runner.busy and not dock.refollower.busy, "the second run")
    dock.movie.set_open(True)
    panel = dock.session_desk.panel
    panel.fold.click()
    panel.compare.click()
    settle(app)
    shoot("desk_compare")
    panel.compare.click()
    panel.fold.click()
    dock.model.settings = settings


def shoot_prepare(app, viewer, dock, shoot, folder: Path) -> None:
    """Section 1: the particle found, the scales measured, the power spectrum."""
    preparing, panel = dock.preparing, dock.preparing.panel
    panel.fold.click()
    panel.find_particle.click()
    wait_until(app, lambda: not preparing.runner.busy, "the particle")
    preparing._calibrate("Au", False)
    wait_until(app, lambda: not preparing.runner.busy, "the scales")
    dock.layers.get("columns").visible = False
    viewer.reset_view(margin=0.02)
    shoot("desk_prepare")
    preparing._calibrate("Au", True)
    wait_until(app, lambda: not preparing.runner.busy, "the spectrum")
    window = preparing._spectrum()
    for spot in window._found[:2]:
        window.point(*spot)
    settle(app)
    window.grab().save(str(folder / "desk_spectrum.png"))
    print(f"wrote {folder / 'desk_spectrum.png'}")
    window.close()


def main() -> None:
    """Take the pictures, on a virtual screen where there is no real one."""
    if not os.environ.get("DISPLAY") and sys.platform == "linux":
        if shutil.which("xvfb-run") is None:
            sys.exit("there is neither a screen nor xvfb-run: see scripts/setup_screen.sh")
        screen = f"-screen 0 {WINDOW[0] + 200}x{WINDOW[1] + 200}x24"
        os.execvp("xvfb-run", ["xvfb-run", "-a", "-s", screen, sys.executable, *sys.argv])
    top = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else top / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:  # sessions and keys of whoever takes the pictures stay theirs
        os.environ |= {"XDG_DATA_HOME": f"{home}/data", "XDG_CONFIG_HOME": f"{home}/config"}
        only = sys.argv[2] if len(sys.argv) > 2 else ""
        make(folder, only)
        if not only:  # in a new window
            subprocess.run([sys.executable, __file__, str(folder), "ceria"], check=True)


if __name__ == "__main__":
    main()
