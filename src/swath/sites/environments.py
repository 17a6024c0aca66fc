"""The software that a job, a worker or a session runs in, as shell lines and the beginning of a command."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath

from swath.model import InputError

PACKED = (".tar", ".tar.gz", ".tgz", ".sqfs", ".squashfs")
"""How the names of environments end that are one file."""
_HASHED = re.compile(r"-([0-9a-f]{16})\.[a-z.]+$")
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run", "sbin", "sys", "tmp",
     "usr", "var"}
)  # fmt: skip
"""Top folders of an image that must not be hidden behind those of the host."""

# A fault has to reach whoever waits for the job: the note in `tasks` is what swath reads from afar, the line
# on standard error is for the log.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REFUSED = "swath: environment: "
"""Begins the line on standard error that says what is wrong with an environment."""
_STOP = r"""
swath_stop() {
  echo "swath: environment: $1" >&2
  if [ -f job.json ]; then
    mkdir -p tasks
    printf '{"task": %d, "message": "environment: %s", "exit_code": 5, "host": "%s"}\n' \
      "${SLURM_ARRAY_TASK_ID:-0}" "$(printf %s "$1" | tr -d '"\\' | tr '\n\t' '  ')" "$(hostname)" \
      >"tasks/${SLURM_ARRAY_TASK_ID:-0}.json"
  fi
  exit 5
}
"""
_TRY = r"""
swath_try() {
  swath_told=$("$@" -c 'import swath' 2>&1) ||
    swath_stop "$swath_place does not run swath on $(hostname) ($(printf %s "$swath_told" | tail -n 1)): make it anew, or name another in the settings of the site"
}
"""  # noqa: E501 -- one sentence
_NEED = r"""
swath_need() {
  [ -e "$swath_place" ] || swath_stop "$swath_place is not there on $(hostname): make it anew, or name another in the settings of the site"
}
"""  # noqa: E501 -- one sentence
# The node's own disk may be shared by its users: a folder of another user is not taken, whatever its name.
_UNPACK = r"""
swath_unpack() {
  swath_base=${swath_scratch:-${TMPDIR:-/tmp}}/swath-environments-$(id -u)
  mkdir -m 700 -p "$swath_base" 2>/dev/null || :
  [ -O "$swath_base" ] && [ ! -L "$swath_base" ] || swath_stop "$swath_base on $(hostname) is not yours: set scratch in the settings of the site"
  swath_folder=$swath_base/$(basename "$swath_place")-$(stat -L -c %s-%Y "$swath_place")
  (
    flock 9
    [ ! -e "$swath_folder.ready" ] || exit 0
    case $(sha256sum <"$swath_place") in
      "$swath_hash"*) ;;
      *) swath_stop "$swath_place is damaged (its content is not what its name says): push or build it anew" ;;
    esac
    rm -rf "$swath_folder"
    mkdir -m 700 "$swath_folder"
    case $swath_place in
      *.sqfs|*.squashfs) unsquashfs -no-progress -force -dest "$swath_folder" "$swath_place" ;;
      *) tar -xf "$swath_place" -C "$swath_folder" ;;
    esac >"$swath_folder.log" 2>&1 || {
      swath_told=$(tail -n 1 "$swath_folder.log")
      rm -rf "$swath_folder" "$swath_folder.log"
      swath_stop "$swath_place cannot be unpacked to $swath_base on $(hostname) ($swath_told): it is damaged, or there is no room"
    }
    if [ -x "$swath_folder/bin/conda-unpack" ]; then
      "$swath_folder/bin/python" "$swath_folder/bin/conda-unpack" ||
        swath_stop "$swath_place cannot be made fit for $swath_folder: conda-unpack fails on $(hostname)"
    fi
    : >"$swath_folder.ready"
  ) 9>"$swath_base/$(basename "$swath_place").lock" || exit 5
  swath_in=$swath_folder
}
"""  # noqa: E501 -- one sentence


@dataclass(frozen=True, slots=True)
class Launch:
    """How a Python program is started in an environment."""

    lines: tuple[str, ...] = ()
    """Shell lines that come before; where it is missing or damaged they say so, and exit with 5."""
    python: tuple[str, ...] = ("python3",)
    """The command that runs Python, without its arguments."""


def launch(environment: str, *, remote: bool, binds: tuple[str, ...] = (), scratch: str = "") -> Launch:
    """Tell how Python is started in an environment.

    Parameters
    ----------
    environment : str
        ``own``, or kind and place; see `swath.config.SiteSettings`. A venv, conda prefix or Charliecloud
        image may be one file (``.sqfs``, ``.tar``, ``.tar.gz``): a node unpacks it once, onto its own disk.
    remote : bool
        True where the site does not see the caller's own environment.
    binds : tuple of str
        Folders and files that a container has to see, under the same names.
    scratch : str
        Folder of a node's own disk; ``$TMPDIR`` or ``/tmp`` unless given.

    Raises
    ------
    InputError
        The caller's own environment is asked for where it is not to be seen.

    Examples
    --------
    >>> launch("venv:/data/env", remote=True).python
    ('/data/env/bin/python',)
    """
    kind, _, place = environment.partition(":")
    if kind == "own":
        if remote:
            raise InputError(
                "environment: the site does not see the Python that you use here",
                fix='install swath there: swath sites add NAME --install, or set environment = "venv:FOLDER"',
            )
        return Launch(python=(sys.executable,))
    lines = [f"export SWATH_ENVIRONMENT={shlex.quote(environment)}", _STOP.strip(), _TRY.strip()]
    if kind == "module":
        refused = f"the module {place} cannot be loaded on $(hostname): see module avail"
        lines += [
            f"swath_place={shlex.quote(f'the module {place}')}",
            f'module load {shlex.quote(place)} || swath_stop "{refused}"',
            "swath_try python3",
        ]
        return Launch(tuple(lines), ("python3",))
    lines += [f"swath_place={shlex.quote(place)}", 'swath_in="$swath_place"', _NEED.strip(), "swath_need"]
    packed = place.endswith(PACKED)
    if packed:
        lines += _unpacking(place, scratch)
    if kind == "charliecloud":
        return _charliecloud(lines, place, binds)
    if kind == "apptainer":
        bound = [f"--bind={each}" for each in mounts(binds)]
        clean = ("env", "-u", "PYTHONPATH", "-u", "PYTHONHOME")  # of the host; all else Apptainer does itself
        python = (*clean, "apptainer", "exec", *bound, "--pwd", "$PWD", place, "python3")
        return Launch((*lines, f"swath_try {_words(python)}"), python)
    lines += ["swath_unpack"] if packed else []
    if kind == "conda":
        # What an activation does that programs need, without a shell function that scripts do not have.
        lines += ['export CONDA_PREFIX="$swath_in"', 'export PATH="$CONDA_PREFIX/bin:$PATH"']
    lines += [
        '[ -x "$swath_in/bin/python" ] || swath_stop "Python is missing in $swath_place on $(hostname): '
        'make it anew, or name another in the settings of the site"',
        'swath_try "$swath_in/bin/python"',
    ]
    if not packed:
        return Launch(tuple(lines), (f"{place}/bin/python",))
    return Launch((*lines, 'PYTHON_THERE="$swath_in/bin/python"'), ("$PYTHON_THERE",))


def mounts(binds: tuple[str, ...]) -> list[str]:
    """Give the folders of the host that a container gets, under the same names: few, and near the top.

    Examples
    --------
    >>> mounts(("/data/s2/a.tif", "/data/jobs/1", "/var/tmp/x/y/z"))
    ['/data', '/var/tmp/x']
    """
    found = set()
    for each in binds:
        parts = PurePosixPath(each).parts[1:]
        if parts and parts[0] != "tmp":  # that is the host's in any case
            found.add("/" + "/".join(parts[: 3 if parts[0] in _SYSTEM else 1]))
    return sorted(found)


def _words(command: tuple[str, ...]) -> str:
    """Write a command for a shell; words that begin with $ are its variables."""
    return " ".join(f'"{each}"' if each.startswith("$") else shlex.quote(each) for each in command)


def _unpacking(place: str, scratch: str) -> list[str]:
    match = _HASHED.search(place)
    # In double quotes: settings may say $TMPDIR, which each node knows for itself.
    written = re.sub(r'(["`\\])', r"\\\1", scratch)
    return [f"swath_hash={match[1] if match else ''}", f'swath_scratch="{written}"', _UNPACK.strip()]


def _charliecloud(lines: list[str], place: str, binds: tuple[str, ...]) -> Launch:
    """Run an image; one that is a SquashFS file is mounted by ch-run where the node lets users do so."""
    bound = [f"--bind={each}:{each}" for each in mounts(binds)]
    # Old versions have no --write-fake: there an image has to have the folders that are mounted over.
    lines.append(
        "CH_RUN_MORE=$(ch-run --help 2>&1 | grep -o -m 1 -e --write-fake || echo --unset-env=NOTHING)"
    )
    # No Python of the host is to be found in what is mounted; an image may say itself where its own is.
    own = ("--unset-env=LD_LIBRARY_PATH", "--unset-env=PYTHON*", f"--set-env=PATH={_PATH}")
    lines.append(f"CH_RUN_ENV={'--set-env' if _HASHED.search(place) else '--unset-env=NOTHING'}")
    python = (
        "ch-run",
        "$CH_RUN_MORE",
        *own,
        "$CH_RUN_ENV",
        *bound,
        "--cd",
        "$PWD",
        "$IMAGE_THERE",
        "--",
        "python3",
    )
    made = f"mkdir -p {' '.join(shlex.quote(f'.{each}') for each in mounts(binds))}" if bound else ":"
    unpack = f'{{ swath_unpack; (cd "$swath_in" && {made}); }}'
    if place.endswith((".sqfs", ".squashfs")):
        words = " ".join(("ch-run", '"$CH_RUN_MORE"', *map(shlex.quote, bound), '"$swath_place"', "-- true"))
        lines.append(f"{{ [ -w /dev/fuse ] && {words} 2>/dev/null; }} || {unpack}")
    elif place.endswith(PACKED):
        lines.append(unpack)
    lines += ["IMAGE_THERE=$swath_in", '[ ! -e "$swath_in/ch/environment" ] || CH_RUN_ENV=--set-env']
    return Launch((*lines, f"swath_try {_words(python)}"), python)
