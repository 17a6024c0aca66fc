"""Sessions in a real browser: what somebody at a laptop sees and does, through door, tunnel and gate."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from slurm.chromium import PATIENCE_MS, chromium, history, new_page
from slurm.testbed import wait_until

import swath

if TYPE_CHECKING:
    import subprocess


@pytest.fixture(scope="module")
def browser(running_bed):  # the bed first: it knows why there can be none
    with chromium() as made:
        yield made


@dataclass
class Lab:
    """A ``swath lab`` that stays in a terminal."""

    process: subprocess.Popen[str]
    address: str = ""
    """What it has printed."""
    said: list[str] = field(default_factory=list)
    """What it has told on the way."""


@pytest.fixture
def lab(bed, traveller):
    """Start sessions as somebody at a laptop; they are ended afterwards."""
    bed.sh("alice", "rm -rf .jupyter .local/share/jupyter .config/marimo")
    with contextlib.ExitStack() as ends:

        def start(*words):
            asked = ("--on", "bed", "--cpus", "1", "--mem", "1500MB", "--time", "00:15:00", "--no-browser")
            made = Lab(traveller.start("swath", "lab", *asked, *words))
            reading = threading.Thread(target=lambda: made.said.extend(made.process.stderr))
            reading.start()
            ends.callback(_end, traveller, made, reading)
            made.address = made.process.stdout.readline().strip()
            assert made.address.startswith("http://127.0.0.1:"), made.said
            return made

        yield start


def _end(traveller, made, reading):
    name = next(re.search(r"swath: (\S+) is ready", each)[1] for each in made.said if "is ready" in each)
    traveller.swath("sessions", "stop", name)
    made.process.wait(60)
    reading.join(60)
    made.process.stdout.close()
    made.process.stderr.close()


def new_notebook(page):
    """Open a notebook from JupyterLab's first page, and wait for its kernel."""
    page.wait_for_url(re.compile(r"/lab(\?|/|$)"))
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    page.locator("#jp-main-statusbar").filter(has_text="| Idle").wait_for()


def run_cell(page, code, answer):
    """Type code into the notebook's last cell, run it, and wait for what is below it."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    below = cells.nth(cells.count() - 1).locator(".jp-OutputArea-output")
    cells.last.locator(".cm-content").click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    below.get_by_text(answer, exact=True).wait_for()


def test_jupyterlab_runs_code_for_one_browser_and_goes_on_when_the_connection_breaks(
    bed, browser, lab, jupyter
):
    made = lab()
    page = new_page(browser)
    page.goto(made.address)
    new_notebook(page)
    run_cell(page, "print(6*7)", "42")
    run_cell(page, "import swath; swath.__version__", repr(swath.__version__))

    code = urlsplit(made.address).fragment
    assert len(code) > 40
    seen = [page.url, *history(page), page.content(), str(page.evaluate("history.state"))]
    assert not [each for each in seen if code in each]
    stranger = new_page(browser)
    stranger.goto(made.address)
    stranger.get_by_text("has been used already").wait_for()
    assert code not in "".join([stranger.url, *history(stranger), stranger.content()])
    assert stranger.goto(page.url).status == 403
    stranger.goto(made.address.partition("#")[0])
    stranger.get_by_role("heading", name="This address is not complete").wait_for()

    bed.drop_connections("alice")
    run_cell(page, "print(40+2.5)", "42.5")
    assert page.context.new_page().goto(page.url).status == 200, "another tab of the same browser is in"


def test_clusters_that_start_later_are_in_the_dask_menu_with_their_dashboards(
    bed, browser, lab, jupyter, traveller
):
    made = lab()
    page = new_page(browser)
    page.goto(made.address)
    new_notebook(page)
    page.locator(".jp-SideBar [title^=Dask], .jp-SideBar [data-id*=dask]").first.click()
    asked = ("--workers", "1", "--name", "later", "--cpus", "1", "--mem", "1GB", "--time", "00:05:00")
    traveller.swath("cluster", "start", "bed", *asked)
    item = page.locator(".dask-ClusterListingItem").filter(has_text="later")
    item.filter(has_text="Number of Workers: 1").wait_for()
    item.click()
    item.locator(".dask-ClusterListingItem-code").click()
    page.locator(".jp-Notebook .jp-CodeCell").filter(has_text="client = Client(").first.wait_for()
    page.keyboard.press("Shift+Enter")
    run_cell(page, "client.submit(sum, [20, 22]).result() + 0.5", "42.5")
    link = item.get_by_role("link").get_attribute("href")
    assert re.fullmatch(r"/proxy/\d+/status", link)
    run_cell(page, "client.dashboard_link", repr(link))

    page.locator(".dask-DaskDashboardLauncher").get_by_text("Workers", exact=True).click()
    page.frame_locator("iframe[src*=individual-workers]").get_by_text("Total (1)").first.wait_for()
    item.get_by_title("Rescale").click()
    page.locator(".jp-Dialog").get_by_role("spinbutton").first.fill("2")
    page.locator(".jp-Dialog").get_by_text("SCALE", exact=True).click()
    item.filter(has_text="Number of Workers: 2").wait_for()
    page.frame_locator("iframe[src*=individual-workers]").get_by_text("Total (2)").first.wait_for()
    item.get_by_title("Shutdown").click()
    item.wait_for(state="detached")
    wait_until("the workers' end", lambda: bed.sh("alice", "squeue --me -h -o %j").count("later") == 0)
    (listed,) = traveller.swath("cluster", "list", "--json").json
    assert (listed["name"], listed["state"]) == ("later", "ended")


EVENTS = """if True:
    import sys
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    writer = EventFileWriter(sys.argv[1])
    for step in range(5):
        value = Summary.Value(tag="loss", simple_value=1 - 0.1357 * step)
        writer.add_event(Event(wall_time=1e9 + step, step=step, summary=Summary(value=[value])))
    writer.close()"""


def test_tensorboard_shows_the_numbers_of_an_event_file(bed, browser, lab):
    pytest.importorskip("tensorboard")
    runs = f"{bed.home('alice')}/runs"
    bed.sh("alice", f"rm -rf {runs}; python -c {shlex.quote(EVENTS)} {runs}")
    made = lab("--app", "tensorboard", "-i", f"logdir={runs}")
    page = new_page(browser)
    page.goto(made.address)
    page.locator("scalar-card").get_by_text("0.4572", exact=True).wait_for()  # below the curve: the last one


def test_marimo_runs_a_notebook_in_the_browser(bed, browser, lab):
    pytest.importorskip("marimo")
    bed.sh("alice", f"cat >book.py <<'END'\n{BOOK}\nEND")
    made = lab("--app", "marimo", "-i", f"notebook={bed.home('alice')}/book.py")
    page = new_page(browser)
    page.goto(made.address)
    cell = page.locator(".cm-content").filter(has_text="gethostname")
    # It comes in some 370 files, each a connection of its own: on a busy machine that is slow.
    cell.wait_for(timeout=4 * PATIENCE_MS)
    page.get_by_test_id("run-button").first.click()
    page.get_by_text(re.compile(r"six times seven on n\d is 42")).wait_for()


def test_code_server_opens_a_folder_and_a_terminal(bed, browser, lab):
    if shutil.which("code-server", path="/usr/local/bin:/usr/bin") is None:
        pytest.skip("code-server is not installed: its npm package builds native modules")
    bed.sh("alice", "rm -rf work; mkdir work; echo 'six = 6' >work/six.py")
    made = lab("--app", "code-server", "-i", f"folder={bed.home('alice')}/work")
    page = new_page(browser)
    page.goto(made.address)
    page.locator(".explorer-folders-view").get_by_text("six.py").dblclick()
    page.locator(".monaco-editor").get_by_text("six = 6").wait_for()
    page.keyboard.press("Control+Backquote")
    page.get_by_role("button", name="Trust Folder & Continue").click()
    page.locator(".terminal.xterm").wait_for()
    page.keyboard.type("hostname >told\n")
    wait_until("the terminal", lambda: bed.sh("alice", "cat work/told").startswith("n"))


WHITE = """() => {
  const canvas = document.querySelector("canvas"), width = canvas.width, height = canvas.height
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data
  for (let y = 60; y < height; y += 20)
    for (let x = 60; x < width; x += 20)
      if ([0, 1, 2].every(each => pixels[4 * (y * width + x) + each] === 255)) return [x / width, y / height]
  return null
}"""
"""Gives a white point of a desktop, which terminals are, in parts of its width and height."""
BOOK = """import marimo

app = marimo.App()


@app.cell
def _():
    import socket

    where = socket.gethostname()
    f"six times seven on {where} is {6 * 7}"
    return


if __name__ == "__main__":
    app.run()"""


def test_a_desktop_is_seen_by_its_user_and_by_nobody_else(bed, browser, lab):
    made = lab("--app", "desktop", "-i", "program=xterm")
    page = new_page(browser)
    page.goto(made.address)
    page.locator("canvas").wait_for()

    def typed():
        """Click on the terminal, which comes up in one place or another, and type."""
        point = page.evaluate(WHITE)
        if point is None:
            return ""
        box = page.locator("canvas").bounding_box()
        page.mouse.click(box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"])
        page.keyboard.type("hostname >told\n", delay=20)
        return bed.sh("alice", "sleep 0.5; cat told")

    bed.sh("alice", "rm -f told; touch told")
    wait_until("the terminal", typed)
    node = bed.sh("alice", "cat told").strip()
    ports = bed.on(node, "ss", "-Hltnp")
    assert "Xvnc" not in ports, "nothing but sockets in closed folders"
    screen = "python -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/tmp/.X11-unix/X0\")'"
    assert bed.on(node, "sh", "-c", screen, user="bob") == "", "the screen is there"
    with pytest.raises(RuntimeError, match=r"Authorization required|not authorized|[Cc]an't open display"):
        bed.on(node, "sh", "-c", "DISPLAY=:0 exec xterm -e true", user="bob")
    for name in ("vnc.sock", "Xauthority"):
        with pytest.raises(RuntimeError, match=r"Permission denied|No such file"):
            bed.on(node, "sh", "-c", f"ls /tmp/swath-desktop-*/{name}", user="bob")
