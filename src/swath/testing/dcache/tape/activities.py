"""What a bulk request does to one target."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING

from swath.testing.dcache.caveats import parse_duration
from swath.testing.dcache.tape.qos import QosError, change_qos

if TYPE_CHECKING:
    from swath.testing.dcache.emulator import DCache
    from swath.testing.dcache.namespace import Entry
    from swath.testing.dcache.tape.request import BulkRequest, Target

_UNITS_S = {"MILLISECONDS": 0.001, "SECONDS": 1.0, "MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86400.0}
_PIN_S, _STAGE_S = 5 * 60.0, 2 * 86400.0
"""How long a pin, or a staged file, is kept where nobody says; dCache's defaults."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a target failed."""

    message: str
    """In words."""
    kind: str = "diskCacheV111.util.CacheException"
    """The class of the error."""


def perform(dcache: DCache, request: BulkRequest, target: Target) -> None:
    """Do what a request wants done with a target, as far as that goes now."""
    now, path = dcache.clock.now(), request.place(target.path)
    planned = dcache.bulk.failures.get(path)
    try:
        entry = dcache.namespace.entry(path)
        if planned and request.activity not in ("PIN", "STAGE"):
            target.end("FAILED", now, planned)
        elif request.activity in ("PIN", "STAGE"):
            _pin(dcache, request, target, entry)
        else:
            _do(dcache, request, path, entry)
            target.end("COMPLETED", now)
    except FileNotFoundError:
        missing = Failure(
            f"No such file or directory {path}", "diskCacheV111.util.FileNotFoundCacheException"
        )
        target.end("FAILED", now, missing)
    except PermissionError as error:
        target.end("FAILED", now, Failure(str(error), "diskCacheV111.util.PermissionDeniedCacheException"))
    except (ValueError, KeyError) as error:
        target.end("FAILED", now, Failure(f"bad argument: {error}", "java.lang.IllegalArgumentException"))
    except (OSError, QosError) as error:
        target.end("FAILED", now, Failure(str(error)))


def unpin(dcache: DCache, path: str, name: str | None) -> None:
    """Keep a file on disk no more for a request, or for none."""
    if not dcache.namespace.exists(path):
        return
    pins = dcache.namespace.entry(path).pins
    if name is None:
        pins.clear()
    else:
        pins.pop(name, None)


def _do(dcache: DCache, request: BulkRequest, path: str, entry: Entry) -> None:
    limit = request.who.restriction
    if request.activity == "DELETE":
        if not limit.allows("DELETE", path):
            raise PermissionError(f"Access denied for {path}")
        if request.arguments.get("skipDirs", "false") != "true" or not dcache.namespace.is_folder(path):
            dcache.namespace.remove(path)
    elif request.activity == "UPDATE_QOS":
        if not limit.allows("UPDATE_METADATA", path):
            raise PermissionError(f"Access denied for {path}")
        if "targetQos" not in request.arguments:
            raise QosError("no target qos or policy given.")
        change_qos(dcache.tape, entry, request.arguments["targetQos"])
    elif request.activity == "RELEASE":
        unpin(dcache, path, request.arguments.get("id", ""))
    elif request.activity == "UNPIN":
        unpin(dcache, path, request.arguments.get("id"))


def _pin(dcache: DCache, request: BulkRequest, target: Target, entry: Entry) -> None:
    """Keep a file on disk; one that is on tape has to come first."""
    now, path, recall = dcache.clock.now(), request.place(target.path), target.recall
    planned = dcache.bulk.failures.get(path)
    if recall is None:
        _check(dcache, request, path, entry)
        if entry.on_disk and not planned:
            end = now
        elif entry.on_disk and planned:
            target.end("FAILED", now, planned)
            return
        else:
            target.recall = dcache.tape.recall(entry, error=planned.message if planned else "")
            return
    elif not recall.over:
        return
    elif recall.error:
        target.end("FAILED", recall.ended or now, planned or Failure(recall.error))
        return
    else:
        end = recall.ended or now
    lifetime = _lifetime_s(request, target.path)
    entry.pins[request.arguments.get("id") or request.uid] = math.inf if lifetime < 0 else end + lifetime
    target.end("COMPLETED", end)


def _check(dcache: DCache, request: BulkRequest, path: str, entry: Entry) -> None:
    if dcache.namespace.is_folder(path):
        raise OSError("Not a regular file.")
    limit = request.who.restriction
    if not limit.allows("READ_METADATA", path):
        raise PermissionError(f"Access denied for {path}")
    if request.activity == "STAGE" and not entry.custodial:
        raise OSError("Cannot stage DISK only files")
    if entry.trouble:
        raise OSError("File is unavailable.")
    if not entry.on_disk and not limit.allows("STAGE", path):
        raise PermissionError("File not online. Staging not allowed.")


def _lifetime_s(request: BulkRequest, path: str) -> float:
    if request.activity == "STAGE":
        text = json.loads(request.arguments.get("diskLifetime") or "{}").get(path)
        return _STAGE_S if text is None else parse_duration(text)
    given, unit = request.arguments.get("lifetime"), request.arguments.get("lifetimeUnit")
    if given is None:
        return 5 * _UNITS_S[unit] if unit else _PIN_S
    return float(given) * (_UNITS_S[unit] if unit else 60.0)
