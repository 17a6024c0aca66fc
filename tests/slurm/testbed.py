"""A real Slurm of several hosts on one Debian machine: control host, login node with SSH, compute nodes.

Each host has network, host name, processes, ``/tmp``, ``/etc/passwd`` and ``/etc/hosts`` of its own, in Linux
namespaces, so that nothing of the machine changes but its installed packages. It needs root. ::

    python tests/slurm/testbed.py start [RELEASE]      with the Slurm of another Debian: trixie, sid
    python tests/slurm/testbed.py stop|status
    python tests/slurm/testbed.py power-off|power-on|cut|heal HOST     (n1, n2, n3, login, ctl)
    python tests/slurm/testbed.py stop-daemon|start-daemon slurmctld|slurmdbd
    python tests/slurm/testbed.py sh USER [COMMAND ...]                on the login node
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # a program finds what lies beside it, tests find it below their own folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])
from slurm.machine import (
    SSHD,
    TestbedError,
    closed_folder,
    install_packages,
    locked,
    release_root,
    run,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).resolve().parent / "plugin"
"""A process of which the files of a test say what happens to it."""
NODES = ("n1", "n2", "n3")
HOSTS = {"ctl": 2, "login": 3, "n1": 11, "n2": 12, "n3": 13}
"""Last number of each host's address."""
USERS = {"alice": 61001, "bob": 61002}
CPUS, MEMORY_MB = 4, 4000
"""Of each node; Slurm is told to believe it."""


_SPAWNED: list[subprocess.Popen[bytes]] = []
"""Kept, since Python warns of processes that nobody waits for."""


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
    def release(self) -> str:
        """The release of Debian whose Slurm this is; empty for that of this machine."""
        kept = self.base / "release"
        return kept.read_text() if kept.exists() else ""

    @property
    def slurm(self) -> str:
        """Version of its Slurm."""
        return self.on("login", "sbatch", "--version").split()[-1]

    @property
    def _lock(self) -> Path:
        return Path(f"{self.base}.lock")

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

    def start(self, release: str | None = None) -> bool:
        """Start what does not run; tell whether anything was missing.

        Without a release, what runs is right, and else this machine's own Slurm.
        """
        with locked(self._lock):
            install_packages()
            if self.is_up() and release in (None, self.release):
                return False
            if release and Path(sys.base_prefix) == Path("/usr"):
                raise TestbedError(
                    "release: the Python of these tests is Debian's own, which goes nowhere else"
                )
            if release:
                release_root(release)
            self._stop()
            self._make_folders(release or "")
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
        with locked(self._lock):
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
        root = release_root(self.release) if self.release else Path("/")
        inside = {
            Path(sys.base_prefix): self.base / "python",
            self._packages(): self.base / "site-packages",
            PLUGIN: self.base / "plugin",
            ROOT / "src": self.base / "src",
        }
        etc = {self.base / "etc" / each: root / "etc" / each for each in ("passwd", "group", "hosts")}
        outside = {**etc, tmp: root / "tmp", self.base / "etc/pam-sshd": root / "etc/pam.d/sshd"}
        if Path("/dev/fuse").exists():  # users may mount images on real clusters, as Debian has it
            outside[self.base / "etc/fuse"] = root / "dev/fuse"
        mounts = [
            *_bind(inside),
            *(self._mount_root(root) if self.release else ()),
            *_bind(outside),
            *_own_python(self.base / "python", root),
            *(f"cd '{root}'", "pivot_root . mnt", "cd /", "umount --lazy /mnt") * bool(self.release),
        ]
        newline = "\n"
        init = f"""set -e
            hostname {host}
            {newline.join(mounts)}
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

    def _mount_root(self, root: Path) -> list[str]:
        """Make ready to see another Debian, with what is of this machine in it."""
        return [
            f"mount --bind '{root}' '{root}'",
            *(f"mount --rbind '/{each}' '{root}/{each}'" for each in ("dev", "sys")),
            f"mount -t proc proc '{root}/proc'",
            f"mkdir -p '{root}{self.base}'",
            f"mount --rbind '{self.base}' '{root}{self.base}'",
        ]

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
        self.on("login", "pkill", "-KILL", "-u", user, "-x", SSHD, check=False)

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
        self.on(
            "ctl", "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}",
            "--skip-test-db", "--auth-root-authentication-method=socket",
        )  # fmt: skip
        self._spawn(
            "ctl", "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}",
            "--skip-networking", f"--pid-file={data}/pid", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900", "--skip-log-bin",
            user="mysql",
        )  # fmt: skip
        ask = ("ctl", "mariadb", "--no-defaults", "-S", str(socket), "-e")
        wait_until("mariadbd", lambda: self.on(*ask, "select 1"))
        self.on(
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
        self._sshd("login", 22)

    def _sshd(self, host: str, port: int, *options: str) -> str:
        """Start an SSH server; give the number of its process there."""
        self.on(host, "mkdir", "-p", "/run/sshd")
        pid = self.base / f"sshd-{host}-{port}"
        pid.unlink(missing_ok=True)
        said = (f"ListenAddress={self.address(host)}:{port}", f"PidFile={pid}", *options)
        words = [word for each in said for word in ("-o", each)]
        self._spawn(host, "/usr/sbin/sshd", "-D", "-e", "-f", str(self.base / "etc/sshd_config"), *words)
        wait_until(f"sshd of {host}", lambda: pid.read_text().strip())
        return pid.read_text().strip()

    @contextlib.contextmanager
    def sshd(self, host: str, port: int, *options: str) -> Iterator[None]:
        """Have another SSH server for a while.

        Parameters
        ----------
        host, port
            Where it listens.
        options : str
            What is other than in its configuration, such as ``UsePAM=yes``.
        """
        pid = self._sshd(host, port, *options)
        try:
            yield
        finally:
            self.on(host, "kill", pid, check=False)

    @contextlib.contextmanager
    def hidden(self, host: str, from_: str = "") -> Iterator[None]:
        """Let a host answer another one no more for a while, as a firewall would.

        Parameters
        ----------
        host : str
            Who is asked.
        from_ : str
            Who asks; unless given, this machine, on which laptops are.
        """
        route = ("unreachable", f"{self.address(from_) if from_ else f'{self.net}.1'}/32")
        run("ip", "-n", self._space(host), "route", "add", *route)
        try:
            yield
        finally:
            run("ip", "-n", self._space(host), "route", "delete", *route)

    def deal_codes(self, user: str) -> list[str]:
        """Give a user a new secret for one-time codes; its first codes, each good once."""
        secret, file = os.urandom(20), self.base / "etc/codes"
        file.write_text(f"HOTP {user} - {secret.hex()}\n")
        file.chmod(0o600)
        codes = []
        for count in range(10):  # RFC 4226
            digest = hmac.digest(secret, struct.pack(">Q", count), "sha1")
            (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
            codes.append(f"{(number & 0x7FFFFFFF) % 10**6:06}")
        return codes

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

    def _make_folders(self, release: str) -> None:
        for each in ("etc", "log", "pid", "munge", "state", "spool", "home", "keys", "small", "shared",
                     "python", "site-packages", "src", "plugin", "env/bin", "tmp"):  # fmt: skip
            (self.base / each).mkdir(parents=True, exist_ok=True)
        (self.base / "release").write_text(release)
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
        for name in ("slurm.conf", "slurmdbd.conf", "gres.conf", "cgroup.conf", "sshd_config", "pam-sshd"):
            text = (Path(__file__).parent / "etc" / name).read_text()
            facts = {
                "BASE": self.base, "MUNGE": self.munge, "NET": self.net, "CPUS": CPUS, "MEMORY": MEMORY_MB,
                "CTL": self.address("ctl"), "LOGIN": self.address("login"),
            }  # fmt: skip
            for key, value in facts.items():
                text = text.replace(f"@{key}@", str(value))
            (etc / name).write_text(text)
            if name == "slurmdbd.conf":
                shutil.chown(etc / name, "slurm", "slurm")
                (etc / name).chmod(0o600)
        for number in (0, 1):  # a graphics card for Slurm is a character device that it can count
            os.mknod(etc / f"card{number}", 0o20666, os.makedev(1, 3))
        os.mknod(etc / "fuse", 0o20666, os.makedev(10, 229))
        (etc / "fuse").chmod(0o666)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "hostkey"))


def _bind(binds: Mapping[Path, Path]) -> list[str]:
    return [f"mount --bind '{source}' '{target}'" for source, target in binds.items()]


def _own_python(python: Path, root: Path) -> list[str]:
    """Show the Python, which every user may enter, at the place where it looks for its own library."""
    place = f"{root}{sys.base_prefix}" if root != Path("/") else sys.base_prefix
    lines = [f"mkdir -p '{place}'", f"mount --bind '{python}' '{place}'"]
    if closed := closed_folder(Path(sys.base_prefix)):
        top = f"{root}{closed}" if root != Path("/") else closed
        return [f"mkdir -p '{top}'", f"mount -t tmpfs -o size=1m,mode=755 tmpfs '{top}'", *lines]
    return lines if root != Path("/") else []


def main(words: Sequence[str]) -> int:
    """Do what the command line says."""
    bed = Testbed.of()
    plain = {"start": bed.start, "stop": bed.stop, "resume": bed.resume}
    switches = {
        "power-off": bed.power_off, "power-on": bed.power_on, "cut": bed.cut, "heal": bed.heal,
        "stop-daemon": bed.stop_daemon, "start-daemon": bed.start_daemon,
    }  # fmt: skip
    match list(words):
        case ["start", release]:
            bed.start(release)
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
