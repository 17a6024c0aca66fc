"""Proves the whole way to a site with a short job: submit, start, write, read back, run swath, cancel."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from swath.model import SiteError, Step, SwathError
from swath.sites.environments import REFUSED, launch
from swath.sites.slurm.script import batch_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.sites.slurm.resources import SlurmResources
    from swath.sites.slurm.site import SlurmSite

_START_S, _VISIBLE_S, _POLL_S = 600.0, 60.0, 0.5


def check_site(site: SlurmSite, asked: SlurmResources, *, start_s: float = _START_S) -> Iterator[Step]:
    """Go the whole way to a site; stops at the first step that fails.

    Parameters
    ----------
    site : SlurmSite
        The site.
    asked : SlurmResources
        Partition, account and QOS to try; time and memory are small.
    start_s : float
        How long the job may wait in the queue, s.

    Yields
    ------
    Step
        As each is done.
    """
    steps = _Steps(site, asked, start_s)
    for name, remedy in _STEPS:
        try:
            told = getattr(steps, name)()
        except SwathError as error:
            yield Step(name, good=False, told=error.what, remedy=error.fix or remedy)
            steps.clean_up()
            return
        except _WrongError as error:
            yield Step(name, good=False, told=str(error), remedy=remedy)
            steps.clean_up()
            return
        yield Step(name, good=True, told=told)
    steps.clean_up()


class _WrongError(Exception):
    """A step did not do what it should."""


class _Steps:
    def __init__(self, site: SlurmSite, asked: SlurmResources, start_s: float) -> None:
        self.site, self.asked, self.start_s = site, asked, start_s
        self.mark = secrets.token_hex(8)
        self.job = self.path = ""

    def connect(self) -> str:
        began = time.monotonic()
        done = self.site.transport.run(("hostname",), login=self.site.settings.login_shell)
        return f"{done.output.strip()} answers in {time.monotonic() - began:.2f} s"

    def folder(self) -> str:
        self.path = self.site.folder("checks", self.mark)
        try:
            self.site.transport.write(f"{self.path}/here.txt", self.mark.encode())
            found = self.site.transport.read(f"{self.path}/here.txt").decode()
        except OSError as error:
            raise _WrongError(f"{self.path} cannot be written ({error.strerror or error})") from error
        if found != self.mark:
            raise _WrongError(f"{self.path} gives back other bytes")
        return f"{self.site.folder()} can be written"

    def submit(self) -> str:
        site = self.site
        settings = site.settings
        started = launch(
            settings.environment, remote=site.is_remote, binds=(self.path,), scratch=settings.scratch
        )
        python = (*started.python, "-c", _PROBE, self.path, self.mark)
        options = [*self.asked.options(), "--output=log.txt"]
        text = batch_script(
            about=("Proves that jobs start here, see the shared folder and run swath.",), options=options,
            folder=self.path, prepare="\n".join((site.settings.prepare, *started.lines)),
            command=("sh", "-c", _SCRIPT, "sh", self.mark, *python),
        )  # fmt: skip
        site.transport.write(f"{self.path}/job.sh", text.encode(), mode=0o755)
        self.job = site.submit(f"swath-check-{self.mark}", f"{self.path}/job.sh", self.path)
        return f"Slurm took it as {self.job}"

    def start(self) -> str:
        began, until = time.monotonic(), time.monotonic() + self.start_s
        told = ""
        while time.monotonic() < until:
            tasks = self.site.look([self.job], fresh=True).get(self.job, [])
            if tasks and not tasks[0].waits:
                return f"started after {time.monotonic() - began:.1f} s on {tasks[0].nodes or 'a node'}"
            told = tasks[0].words() if tasks else "Slurm does not list it yet"
            time.sleep(_POLL_S)
        raise _WrongError(f"not started in {self.start_s:.0f} s: {told}")

    def shared(self) -> str:
        node = self._wait_for("node.txt")
        if not node.endswith(self.mark):
            raise _WrongError(f"the job wrote something else: {node[:60]!r}")
        return f"what {node.split()[0]} writes is seen on the login node"

    def swath(self) -> str:
        from swath.version import __version__

        told = self._wait_for("swath.txt")
        if told.startswith("error"):
            raise _WrongError(f"swath does not run there ({' '.join(told.split()[1:])[:300]})")
        if told != __version__:
            raise _WrongError(f"swath {told} runs there, here it is {__version__}")
        return f"swath {told} runs there"

    def cancel(self) -> str:
        began = time.monotonic()
        self.site.cancel([self.job])
        return f"cancelled in {time.monotonic() - began:.1f} s"

    def _wait_for(self, name: str) -> str:
        until = time.monotonic() + _VISIBLE_S
        while time.monotonic() < until:
            try:
                return self.site.transport.read(f"{self.path}/{name}").decode(errors="replace").strip()
            except FileNotFoundError:
                tasks = self.site.look([self.job], fresh=True).get(self.job, [])
                if tasks and tasks[0].has_ended:
                    if told := self._refused():
                        raise SiteError(f"environment: {told}", fix=_ANOTHER) from None
                    raise _WrongError(f"the job {tasks[0].words()} and left no {name}") from None
            time.sleep(_POLL_S)
        raise _WrongError(f"the job runs, and {self.path}/{name} does not appear on the login node")

    def _refused(self) -> str:
        """Give what the job's script has said of its environment before it ended."""
        try:
            lines = self.site.transport.read(f"{self.path}/log.txt").decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((each.removeprefix(REFUSED) for each in lines if each.startswith(REFUSED)), "")

    def clean_up(self) -> None:
        """End the job and delete its folder, as far as that works."""
        try:
            if self.job:
                self.site.slurm.cancel([self.job])
            if self.path:
                self.site.transport.run(("rm", "-rf", self.path))
        except SwathError:
            return


_ANOTHER = "install swath there: swath sites add NAME --install, or set another environment"
_STEPS = (
    ("connect", "look whether `ssh` comes there by itself"),
    ("folder", "choose another folder in the site's settings"),
    ("submit", "choose another partition, account or qos in the site's settings"),
    ("start", "choose a partition with free nodes, or wait longer with --wait"),
    ("shared", "set folder to a place that login and compute nodes share, such as $SCRATCH or $WORK"),
    ("swath", "install the same swath there: swath sites add NAME --install, or set environment"),
    ("cancel", "ask the site's administrators why scancel does not work"),
)
_PROBE = (
    "import sys, pathlib\n"
    "try:\n"
    "    import swath, rasterio, numba\n"
    "    told = swath.__version__\n"
    "except Exception as error:\n"
    "    told = f'error {type(error).__name__}: {error}'\n"
    "part = pathlib.Path(sys.argv[1], 'swath.part')\n"
    "part.write_text(told)\n"
    "part.rename(part.with_suffix('.txt'))\n"
)
_SCRIPT = (
    'mark=$1; shift; echo "$(hostname) $mark" >node.part && mv node.part node.txt; '
    '"$@" || [ -e swath.txt ] || { echo "error exit code $?" >swath.part && mv swath.part swath.txt; }; '
    "sleep 600"
)
