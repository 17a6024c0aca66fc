"""What kind of file system a path lies on; SQLite's WAL needs shared memory, which network ones lack."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = (
    "nfs", "lustre", "gpfs", "mmfs", "beegfs", "cifs", "smb", "ceph", "9p", "fuse", "glusterfs", "pvfs",
    "orangefs", "afs", "panfs", "wekafs", "virtiofs", "vboxsf", "drvfs",
)  # fmt: skip


def file_system_of(path: Path, mounts: str) -> str:
    r"""Find the type of the file system that a path lies on.

    Parameters
    ----------
    path : Path
        Absolute, without symbolic links; it need not exist.
    mounts : str
        The text of ``/proc/self/mounts``: device, mount point, type, options.

    Returns
    -------
    str
        The type (``ext4``, ``nfs4``, ``fuse.sshfs``); empty when no mount point holds the path.

    Examples
    --------
    >>> file_system_of(Path("/home/me/x"), "/dev/sda1 / ext4 rw 0 0\nsrv:/home /home nfs4 rw 0 0\n")
    'nfs4'
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].encode().decode("unicode_escape")  # spaces are written \040
        inside = path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= best:  # a later mount at the same point covers the earlier one
            best, kind = len(point), fields[2]
    return kind


def is_network_type(kind: str) -> bool:
    """Tell whether files of a file system type may be open on several machines at once.

    Examples
    --------
    >>> is_network_type("nfs4"), is_network_type("fuse.sshfs"), is_network_type("xfs")
    (True, True, False)
    """
    return kind.lower().startswith(_NETWORK)


def journal_mode_for(path: Path) -> str:
    """Choose SQLite's journal for a file: ``wal`` on a local disk, ``delete`` on a network one.

    Parameters
    ----------
    path : Path
        The database file; it need not exist.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux: only local disks are usual there
        return "wal"
    return "delete" if is_network_type(file_system_of(Path(os.path.realpath(path)), mounts)) else "wal"
