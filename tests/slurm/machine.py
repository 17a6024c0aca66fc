"""What the test bed asks of the machine under it: commands, Debian's packages, other releases of Debian."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SLURM = (
    "slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-basic-plugins", "slurm-wlm-mysql-plugin",
    "munge", "mariadb-server", "openssh-server", "openssh-client", "iproute2", "faketime",
    "charliecloud", "squashfs-tools", "lmod", "libpam-oath",
    "tigervnc-standalone-server", "novnc", "openbox", "xterm",
)  # fmt: skip
"""What a bed of any release has, a desktop's too: packages that add users while it runs take its hosts'
``/etc/passwd`` away."""
SYSTEM = (
    "ca-certificates",
    "curl",
    "file",
    "libexpat1",
    "libffi8",
    "libsqlite3-0",
    "procps",
    "rsync",
    "xz-utils",
)
"""What a small Debian lacks: for the Python of this machine, and for users."""
OPTIONAL = ("apptainer",)
"""What not every release has."""
ROOTS = Path("/var/tmp")
"""Where the roots of other releases are kept: all checkouts share them."""
SSHD = "sshd|sshd-session"
"""Names of the SSH server's processes, old and new, as pkill takes them."""


class TestbedError(RuntimeError):
    """The test bed cannot do this."""


def why_not() -> str:
    """Tell why there can be no test bed on this machine; empty when there can."""
    if os.geteuid() != 0:
        return "needs root, to make namespaces"
    if not Path("/etc/debian_version").exists():
        return "needs Debian's Slurm packages"
    tried = subprocess.run(("unshare", "--mount", "--net", "true"), capture_output=True, check=False)
    return "needs namespaces, which this machine refuses" if tried.returncode else ""


def run(*command: str, input: str | None = None, check: bool = True) -> str:
    """Run a command of this machine; give its output."""
    done = subprocess.run(command, capture_output=True, text=True, input=input, check=False)
    if check and done.returncode:
        raise TestbedError(f"{' '.join(command)[:200]}: {done.stderr.strip()[-800:] or done.stdout[-800:]}")
    return done.stdout


def wait_until(what: str, test: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(TestbedError, OSError):
            if test():
                return
        if time.monotonic() > until:
            raise TestbedError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def closed_folder(path: Path) -> Path | None:
    """Give the topmost folder above a path that other users may not enter."""
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let nobody else do the same meanwhile."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_packages(names: Sequence[str] = SLURM, *, root: Path = Path("/")) -> None:
    """Install Debian's packages that are missing; their services are not started."""
    enter = () if root == Path("/") else ("chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive")
    asked = run(*enter, "dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *names, check=False)
    there = {line.split()[0] for line in asked.splitlines() if line.endswith(" installed")}
    missing = [each for each in names if each not in there]
    if not missing:
        return
    with locked(ROOTS / "swath-packages.lock"):
        _install(missing, enter, root)


def _install(names: Sequence[str], enter: Sequence[str], root: Path) -> None:
    # Services of these packages must not start by themselves: policy-rc.d is how Debian is told.
    policy = root / "usr/sbin/policy-rc.d"
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    get = (*enter, "apt-get", "-o", "DPkg::Lock::Timeout=300", "-q")
    install = (*get, "install", "-y", "--no-install-recommends")
    try:
        try:
            run(*install, *names)
        except TestbedError:  # the lists of packages may be old, or missing
            run(*get, "update")
            run(*install, *names)
    finally:
        if own:
            policy.unlink()


def release_root(release: str) -> Path:
    """Give a folder with a small Debian of another release and its Slurm; it is made once, in a minute."""
    if not re.fullmatch(r"[a-z]+", release):
        raise TestbedError(f"release: {release!r} is no name of a Debian release, such as trixie")
    made = ROOTS / f"swath-debian-{release}"
    with locked(Path(f"{made}.lock")):
        if not made.exists():
            install_packages(("debootstrap",))
            new = made.with_name(f"{made.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            run("debootstrap", "--variant=minbase", release, str(new), _mirror())
            install_packages((*SLURM, *SYSTEM), root=new)
            for each in OPTIONAL:
                with contextlib.suppress(TestbedError):
                    install_packages((each,), root=new)
            run("chroot", str(new), "apt-get", "clean")
            (new / "etc/hosts").touch()
            new.rename(made)
        install_packages((*SLURM, *SYSTEM), root=made)  # what newer tests need
    return made


def _mirror() -> str:
    """Give the address that this machine has its own Debian from."""
    list_ = ("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages")
    for attempt in range(2):
        for line in run(*list_).splitlines():
            origin, _, address = line.partition(" ")
            if origin == "Debian" and "security" not in address:
                return address
        if attempt == 0:
            run("apt-get", "update", "-q")
    raise TestbedError("release: apt of this machine names no mirror of Debian")
