"""Quality of service: disk, tape or both, now and after the transition that is under way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swath.testing.dcache.namespace import Entry
    from swath.testing.dcache.tape.system import Tape

QOS_PIN = "qos"
"""The id of the pin that QoS sets."""


class QosError(Exception):
    """A transition that dCache refuses."""


def qos_of_folder(entry: Entry) -> str:
    """Tell which QoS files get that are made in a folder."""
    if entry.custodial:
        return "disk+tape" if entry.online else "tape"
    return "disk" if entry.online else "volatile"


def qos_of_file(entry: Entry) -> tuple[str, str | None]:
    """Tell the QoS of a file, and the one that it is on its way to.

    Examples
    --------
    >>> from swath.testing.dcache.namespace import Entry
    >>> qos_of_file(Entry(on_disk=False, on_tape=True, custodial=True, online=False))
    ('tape', None)
    >>> qos_of_file(Entry(on_disk=False, on_tape=True, custodial=True, online=True))
    ('tape', 'disk+tape')
    """
    on_disk = entry.online or QOS_PIN in entry.pins
    locality = entry.locality()
    if locality == "NEARLINE" and entry.custodial:
        return "tape", "disk+tape" if on_disk else None
    if locality == "ONLINE" and on_disk:
        return "disk", "disk+tape" if entry.custodial else None
    if locality == "ONLINE":
        return "volatile", "tape" if entry.custodial else None
    if locality == "ONLINE_AND_NEARLINE":
        return "disk+tape" if on_disk else "tape", None
    return "unavailable", None


def change_qos(tape: Tape, entry: Entry, target: str) -> None:
    """Begin a transition of a file."""
    target = {"tape+disk": "disk+tape"}.get(target.lower(), target.lower())
    locality = entry.locality()
    if target == "disk":
        if locality != "ONLINE" and entry.custodial:
            raise QosError("Unsupported QoS transition")
        entry.online = True
        entry.pins[QOS_PIN] = math.inf
    elif target == "disk+tape":
        entry.custodial = entry.online = True
        entry.pins[QOS_PIN] = math.inf
        if locality == "NEARLINE":
            tape.recall(entry)
        else:
            tape.flush(entry)
    elif target == "tape":
        entry.custodial, entry.online = True, False
        entry.pins.pop(QOS_PIN, None)
        tape.flush(entry)
    elif target in ("volatile", "unavailable"):
        raise QosError("Unsupported QoS target for transition")
    else:
        raise QosError(f"no such qos type: {target}")
