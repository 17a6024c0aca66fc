"""A real Slurm of several hosts on one Debian machine: control host, login node with SSH, compute nodes.

Each host has network, host name, processes, ``/tmp``, ``/etc/passwd`` and ``/etc/hosts`` of its own, in Linux
namespaces, so that nothing of the machine changes but its installed packages. It needs root. ::

    python tests/slurm/testbed.py start|stop|status
    python tests/slurm/testbed.py power-off|power-on|cut|heal HOST     (n1, n2, n3, login, ctl)
    python tests/slurm/testbed.py stop-daemon|start-daemon slurmctld|slurmdbd
    python tests/slurm/testbed.py sh USER [COMMAND ...]                on the login node
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).resolve().parent / "plugin"
"""A process of which the files of a test say what happens to it."""
NODES = ("n1", "n2", "n3")
HOSTS = {"ctl": 2, "login": 3, "n1": 11, "n2": 12, "n3": 13}
"""Last number of each host's address."""
USERS = {"alice": 61001, "bob": 61002}
CPUS, MEMORY_MB = 4, 4000
"""Of each node; Slurm is told to believe it."""
PACKAGES = (
    "slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-basic-plugins", "slurm-wlm-mysql-plugin",
    "munge", "mariadb-server", "openssh-server", "openssh-client", "iproute2", "faketime",
    "charliecloud", "squashfs-tools", "tigervnc-standalone-server", "novnc", "openbox", "xterm",
)  # fmt: skip
"""Those of a desktop too: packages that add users while it runs take its hosts' /etc/passwd away."""


_SPAWNED: list[subprocess.Popen[bytes]] = []
"""Kept, since Python warns of processes that nobody waits for."""


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


@dataclass(frozen=True)
class Testbed:
    """One test bed; two checkouts have two, with other addresses."""

    base: Path

    @classmethod
    def of(cls, checkout: Path = ROOT) -> Testbed:
        """Name the test bed of a checkout."""
        mark = hashlib.sha256(str(checkout).encode()).hexdigest()[:6]
        return cls(Path("/var/tmp") / f"swath-slurm-{mark}")

    @property
    def mark(self) -> str:
        return self.base.name[-6:]

    @property
    def net(self) -> str:
        number = int(self.mark, 16)
        return f"10.{64 + number % 64}.{number // 64 % 256}"

    @property
    def bridge(self) -> str:
        return f"sw{self.mark}"

    @property
    def conf(self) -> Path:
        return self.base / "etc/slurm.conf"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def munge(self) -> Path:
        return self.base / "munge/socket"

    @property
    def shared(self) -> Path:
        """A folder that every host sees and everybody may write to."""
        return self.base / "shared"

    @property
    def small(self) -> Path:
        """A file system of 8 MB that every host sees: the one that is full soon."""
        return self.base / "small"

    @property
    def python(self) -> str:
        """The Python with swath that users have."""
        return str(self.base / "env/bin/python")

    def address(self, host: str) -> str:
        """Give the address of a host."""
        return f"{self.net}.{HOSTS[host]}"

    def home(self, user: str) -> Path:
        """Give the home of a user, which every host sees."""
        return self.base / "home" / user

    def key(self, user: str) -> Path:
        """Give the SSH key of a user."""
        return self.base / "keys" / user

    # -- life ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else start or stop it meanwhile."""
        with Path(f"{self.base}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def start(self) -> bool:
        """Start what does not run; tell whether anything was missing."""
        with self.locked():
            install_packages()
            if self.is_up():
                return False
            self._stop()
            self._make_folders()
            self._make_network()
            for host in HOSTS:
                self.power_on(host, daemons=False)
            self._start_munge()
            self._start_database()
            self.start_daemon("slurmdbd")
            self._make_accounts()
            self.start_daemon("slurmctld")
            for node in NODES:
                self._start_slurmd(node)
            self._start_sshd()
            wait_until("idle nodes", self.is_ready)
            return True

    def stop(self) -> None:
        """End everything, and delete its files."""
        with self.locked():
            self._stop()

    def _stop(self) -> None:
        for path in sorted(self.base.glob("pid/*")):
            self._kill(path.name)
        for each in ("munged", "mariadbd"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.base / each).read_text()), signal.SIGKILL)
        for host in HOSTS:
            for pid in run("ip", "netns", "pids", self._space(host), check=False).split():
                with contextlib.suppress(ProcessLookupError):  # one of a start that was broken off
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "link", "delete", self._cable(host), check=False)
            run("ip", "netns", "delete", self._space(host), check=False)
        run("ip", "link", "delete", self.bridge, check=False)
        run("umount", "--lazy", str(self.small), check=False)
        if self.base.exists():
            shutil.rmtree(self.base)

    def is_up(self) -> bool:
        """Tell whether it runs, all of it."""
        try:
            return all(self._alive(each) for each in HOSTS) and self.is_ready()
        except TestbedError:
            return False

    def is_ready(self) -> bool:
        """Tell whether each node takes jobs."""
        idle = self.on("login", "sinfo", "-h", "-N", "-p", "normal", "-t", "idle,mix,alloc", "-o", "%N")
        return set(idle.split()) == set(NODES)

    # -- hosts --------------------------------------------------------------------------------------

    def _space(self, host: str) -> str:
        return f"{self.bridge}-{host}"

    def _pid(self, host: str) -> int:
        """Give the number, as this machine counts, of a host's first process."""
        try:
            return int((self.base / "pid" / host).read_text())
        except (FileNotFoundError, ValueError):
            raise TestbedError(f"{host} is off") from None

    def _alive(self, host: str) -> bool:
        try:
            os.kill(self._pid(host), 0)
        except (TestbedError, ProcessLookupError):
            return False
        return True

    def _enter(self, host: str, user: str = "root") -> list[str]:
        """Begin a command line that goes to a host."""
        line = ["nsenter", "-t", str(self._pid(host)), "--mount", "--uts", "--net", "--pid"]
        if user in USERS:
            ids = str(USERS[user])
            home, variables = self.home(user), [f"USER={user}", f"LOGNAME={user}", "SHELL=/bin/bash"]
            path = f"PATH={home}/bin:{self.base}/env/bin:/usr/local/bin:/usr/bin:/bin"
            line += ["setpriv", f"--reuid={ids}", f"--regid={ids}", "--clear-groups"]
            line += ["env", "-i", "-C", str(home), f"HOME={home}", path, "LANG=C.UTF-8", *variables]
        elif user != "root":
            line += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env"]
        else:
            line += ["env"]
        return [*line, f"SLURM_CONF={self.conf}", f"MYSQL_UNIX_PORT={self.base}/db/db.sock"]

    def on(self, host: str, *command: str, user: str = "root", check: bool = True) -> str:
        """Run a command on a host; give its output."""
        return run(*self._enter(host, user), *command, check=check)

    def command(self, user: str, *command: str) -> list[str]:
        """Give the command line of a user's command on the login node."""
        return [*self._enter("login", user), *command]

    def sh(self, user: str, script: str, *, check: bool = True) -> str:
        """Run a shell script as a user on the login node."""
        return self.on("login", "bash", "-c", script, user=user, check=check)

    def power_on(self, host: str, *, daemons: bool = True) -> None:
        """Start a host that is off."""
        if self._alive(host):
            return
        tmp = self.base / "tmp" / host
        tmp.mkdir(parents=True, exist_ok=True)
        tmp.chmod(0o1777)
        binds = {
            self.base / "etc/passwd": "/etc/passwd",
            self.base / "etc/group": "/etc/group",
            self.base / "etc/hosts": "/etc/hosts",
            Path(sys.base_prefix): self.base / "python",
            self._packages(): self.base / "site-packages",
            PLUGIN: self.base / "plugin",
            ROOT / "src": self.base / "src",
            tmp: "/tmp",
        }
        if Path("/dev/fuse").exists():  # users may mount images on real clusters, as Debian has it
            binds[self.base / "etc/fuse"] = "/dev/fuse"  # fmt: skip
        mounts = "\n".join(f"mount --bind '{source}' '{target}'" for source, target in binds.items())
        if closed := _closed_folder(Path(sys.base_prefix)):  # the Python looks there for its library
            mounts += f"""
            mount -t tmpfs -o size=1m,mode=755 tmpfs '{closed}'
            mkdir -p '{sys.base_prefix}'
            mount --bind '{self.base}/python' '{sys.base_prefix}'"""
        init = f"""set -e
            hostname {host}
            {mounts}
            mount -t tmpfs -o size=512m,mode=1777 tmpfs /dev/shm
            exec </dev/null
            echo ready
            while :; do sleep 1000 & wait $!; done"""
        inner = ("unshare", "--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")
        entered = ("nsenter", f"--net=/run/netns/{self._space(host)}", *inner, "--propagation", "private")
        with (self.log / f"{host}.out").open("ab") as output:
            process = subprocess.Popen(
                (*entered, "bash", "-c", init), stdout=subprocess.PIPE, stderr=output, start_new_session=True
            )
        _SPAWNED.append(process)
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise TestbedError(f"{host} does not start: {(self.log / f'{host}.out').read_text()[-500:]}")
        first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        (self.base / "pid" / host).write_text(first)
        if daemons and host in NODES:
            self._start_slurmd(host)

    def power_off(self, host: str) -> None:
        """Take a host's power: its first process is killed, and all others with it."""
        self._kill(host)

    def _kill(self, host: str) -> None:
        with contextlib.suppress(TestbedError, ProcessLookupError):
            os.kill(self._pid(host), signal.SIGKILL)
            wait_until(f"{host} off", lambda: not self._alive(host), 10)
        (self.base / "pid" / host).unlink(missing_ok=True)

    def cut(self, host: str) -> None:
        """Pull a host's network cable."""
        run("ip", "link", "set", self._cable(host), "down")

    def heal(self, host: str) -> None:
        """Plug a host's network cable in."""
        run("ip", "link", "set", self._cable(host), "up")

    def drop_connections(self, user: str) -> None:
        """End all connections of a user to the login node."""
        self.on("login", "pkill", "-KILL", "-u", user, "-x", "sshd", check=False)

    def _cable(self, host: str) -> str:
        return f"{self.bridge}{HOSTS[host]}"

    def resume(self) -> None:
        """Bring everything back that a test switched off."""
        for host in HOSTS:
            self.heal(host)
            self.power_on(host)
        for each in ("slurmdbd", "slurmctld"):
            self.start_daemon(each)
        if not self._listens("login", "sshd"):
            self._start_sshd()
        down = "state=resume"
        for node in NODES:
            self.on("ctl", "scontrol", "update", f"nodename={node}", down, check=False)
        wait_until("idle nodes", self.is_ready)

    def clear_queue(self) -> None:
        """End the jobs of all users, and wait until they have gone."""
        for user in USERS:
            self.on("ctl", "scancel", f"--user={user}", check=False)
        wait_until("empty queue", lambda: not self.on("ctl", "squeue", "--noheader").strip())

    # -- daemons ------------------------------------------------------------------------------------

    def _listens(self, host: str, name: str) -> bool:
        return bool(self.on(host, "pgrep", "-x", name, check=False).strip())

    def _spawn(self, host: str, *command: str, user: str = "root") -> None:
        with (self.log / f"{Path(command[0]).name}-{host}.out").open("ab") as output:
            process = subprocess.Popen(
                (*self._enter(host, user), *command),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        _SPAWNED.append(process)

    def start_daemon(self, name: str) -> None:
        """Start slurmctld or slurmdbd, where it does not run, and wait until it answers."""
        if not self._listens("ctl", name):
            extra = ("-i",) if name == "slurmctld" else ()
            self._spawn("ctl", f"/usr/sbin/{name}", "-D", *extra, user="slurm")
        probe = {"slurmctld": ("scontrol", "ping"), "slurmdbd": ("sacctmgr", "-n", "list", "cluster")}[name]
        wait_until(name, lambda: "DOWN" not in self.on("ctl", *probe))

    def stop_daemon(self, name: str) -> None:
        """End slurmctld or slurmdbd; asked, since one that is killed forgets which ids it has given."""
        self.on("ctl", "pkill", "-TERM", "-x", name, check=False)
        wait_until(f"{name} ended", lambda: not self._listens("ctl", name), 60)

    def forget_jobs_after(self, seconds: int) -> None:
        """Let slurmctld purge jobs so long after their end."""
        line = re.sub(r"MinJobAge=\d+", f"MinJobAge={seconds}", self.conf.read_text())
        self.conf.write_text(line)
        self.on("ctl", "scontrol", "reconfigure")

    def _start_slurmd(self, node: str) -> None:
        (self.base / "spool" / node).mkdir(parents=True, exist_ok=True)
        self._spawn(node, "/usr/sbin/slurmd", "-D", "-N", node)

    def _start_munge(self) -> None:
        folder, key = self.munge.parent, self.base / "etc/munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        for each in (folder, key):
            shutil.chown(each, "munge", "munge")
        as_munge = ("setpriv", "--reuid=munge", "--regid=munge", "--clear-groups")
        run(
            *as_munge, "/usr/sbin/munged", "--force", f"--socket={self.munge}", f"--key-file={key}",
            f"--log-file={folder}/log", f"--pid-file={folder}/pid", f"--seed-file={folder}/seed",
        )  # fmt: skip
        shutil.copy(folder / "pid", self.base / "munged")

    def _start_database(self) -> None:
        data, socket = self.base / "db", self.base / "db/db.sock"
        data.mkdir(mode=0o755)
        shutil.chown(data, "mysql", "mysql")
        run(
            "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=socket",
        )  # fmt: skip
        self._spawn(
            "ctl", "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}",
            "--skip-networking", f"--pid-file={data}/pid", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900", "--skip-log-bin",
            user="mysql",
        )  # fmt: skip
        ask = ("mariadb", "--no-defaults", "-S", str(socket), "-e")
        wait_until("mariadbd", lambda: run(*ask, "select 1"))
        run(
            *ask,
            "create database slurm_acct; create user slurm@localhost identified by 'slurm'; "
            "grant all on slurm_acct.* to slurm@localhost;",
        )

    def _make_accounts(self) -> None:
        def add(line: str) -> None:
            self.on("ctl", "sacctmgr", "-i", "-Q", *line.split())

        for line in (
            "add cluster testbed",
            "add qos short,scavenger,high,limited",
            "modify qos short set Priority=100",
            "modify qos scavenger set PreemptMode=requeue",
            "modify qos high set Priority=1000 Preempt=scavenger,normal",
            "modify qos limited set MaxJobsPerUser=1 MaxSubmitJobsPerUser=3 Flags=DenyOnLimit",
            "add account eo,other Cluster=testbed",
            f"add user {','.join(USERS)} Account=eo DefaultAccount=eo "
            "QOS=normal,short,scavenger,high,limited DefaultQOS=normal",
            "add user alice Account=other QOS=normal DefaultQOS=normal",
            "add user root Account=other DefaultAccount=other AdminLevel=Admin",
        ):
            add(line)

    def _start_sshd(self) -> None:
        self.on("login", "mkdir", "-p", "/run/sshd")
        self._spawn("login", "/usr/sbin/sshd", "-D", "-e", "-f", str(self.base / "etc/sshd_config"))
        wait_until("sshd", lambda: self._listens("login", "sshd"))

    # -- files --------------------------------------------------------------------------------------

    def _packages(self) -> Path:
        import numpy

        return Path(numpy.__file__).parents[1]

    def _make_network(self) -> None:
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.net}.1/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for host in HOSTS:
            space = self._space(host)
            run("ip", "netns", "add", space)
            cable = ("ip", "link", "add", self._cable(host), "type", "veth", "peer", "name", "eth0")
            run(*cable, "netns", space)
            run("ip", "link", "set", self._cable(host), "master", self.bridge, "up")
            run("ip", "-n", space, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                run("ip", "-n", space, "link", "set", link, "up")

    def _make_folders(self) -> None:
        for each in ("etc", "log", "pid", "munge", "state", "spool", "home", "keys", "small", "shared",
                     "python", "site-packages", "src", "plugin", "env/bin", "tmp"):  # fmt: skip
            (self.base / each).mkdir(parents=True, exist_ok=True)
        for each in (self.base, self.log):
            each.chmod(0o755)
        shutil.chown(self.base / "state", "slurm", "slurm")
        self.shared.chmod(0o1777)
        run("mount", "-t", "tmpfs", "-o", "size=8m,mode=1777", "tmpfs", str(self.small))
        self._write_etc()
        for user, number in USERS.items():
            self._make_user(user, number)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        folder = self.base / "env/lib" / version / "site-packages"
        folder.mkdir(parents=True)
        lines = [f"{self.base}/{each}\n" for each in ("site-packages", "src", "plugin")]
        (folder / "swath.pth").write_text("".join(lines))
        (self.base / "env/pyvenv.cfg").write_text(f"home = {self.base}/python/bin\n")
        for name in ("python", "python3"):
            (self.base / "env/bin" / name).symlink_to(self.base / "python/bin" / version)
        swath = self.base / "env/bin/swath"
        swath.write_text(f'#!/bin/sh\nexec {self.base}/env/bin/python -m swath "$@"\n')
        swath.chmod(0o755)

    def _make_user(self, user: str, number: int) -> None:
        home, key = self.home(user), self.key(user)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", str(key))
        (home / ".ssh").mkdir(parents=True)
        shutil.copy(f"{key}.pub", home / ".ssh/authorized_keys")
        (home / ".bashrc").write_text(
            f"export SLURM_CONF={self.conf} PATH=$HOME/bin:{self.base}/env/bin:/usr/local/bin:/usr/bin:/bin\n"
        )
        for each in (home, home / ".ssh"):
            each.chmod(0o700)
        for each in (home, *home.rglob("*")):
            os.chown(each, number, number)

    def _write_etc(self) -> None:
        etc = self.base / "etc"
        passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
        hosts = "127.0.0.1 localhost\n"
        for host in HOSTS:
            hosts += f"{self.address(host)} {host}\n"
        for user, number in USERS.items():
            passwd += f"{user}:x:{number}:{number}::{self.home(user)}:/bin/bash\n"
            group += f"{user}:x:{number}:\n"
        for name, text in (("passwd", passwd), ("group", group), ("hosts", hosts)):
            (etc / name).write_text(text)
        for name, secret in (("slurm.conf", False), ("slurmdbd.conf", True), ("gres.conf", False),
                             ("cgroup.conf", False), ("sshd_config", False)):  # fmt: skip
            text = (Path(__file__).parent / "etc" / name).read_text()
            facts = {
                "BASE": self.base, "MUNGE": self.munge, "NET": self.net, "CPUS": CPUS, "MEMORY": MEMORY_MB,
                "CTL": self.address("ctl"), "LOGIN": self.address("login"),
            }  # fmt: skip
            for key, value in facts.items():
                text = text.replace(f"@{key}@", str(value))
            (etc / name).write_text(text)
            if secret:
                shutil.chown(etc / name, "slurm", "slurm")
                (etc / name).chmod(0o600)
        for number in (0, 1):  # a graphics card for Slurm is a character device that it can count
            os.mknod(etc / f"card{number}", 0o20666, os.makedev(1, 3))
        os.mknod(etc / "fuse", 0o20666, os.makedev(10, 229))
        (etc / "fuse").chmod(0o666)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "hostkey"))


def _closed_folder(path: Path) -> Path | None:
    """Give the topmost folder above a path that other users may not enter."""
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)


def install_packages(*names: str) -> None:
    """Install Debian's packages that are missing, the bed's unless named; their services are not started."""
    wanted = names or PACKAGES
    asked = run("dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *wanted, check=False)
    there = {line.split()[0] for line in asked.splitlines() if line.endswith(" installed")}
    missing = [each for each in wanted if each not in there]
    if not missing:
        return
    # Services of these packages must not start by themselves: policy-rc.d is how Debian is told.
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    install = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-q", "--no-install-recommends")
    try:
        try:
            run(*install, *missing)
        except TestbedError:  # the lists of packages may be old, or missing
            run("apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-q")
            run(*install, *missing)
    finally:
        if own:
            policy.unlink()


def main(words: Sequence[str]) -> int:
    """Do what the command line says."""
    bed = Testbed.of()
    plain = {"start": bed.start, "stop": bed.stop, "resume": bed.resume}
    switches = {
        "power-off": bed.power_off, "power-on": bed.power_on, "cut": bed.cut, "heal": bed.heal,
        "stop-daemon": bed.stop_daemon, "start-daemon": bed.start_daemon,
    }  # fmt: skip
    match list(words):
        case [name] if name in plain:
            plain[name]()
        case [name, target] if name in switches:
            switches[name](target)
        case ["status"]:
            print(bed.on("login", "sinfo", "-N", "-o", "%N %P %T %C %m %G %E"))
        case ["sh", user, *command]:
            return subprocess.call(bed.command(user, *(command or ["bash", "-l"])))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
