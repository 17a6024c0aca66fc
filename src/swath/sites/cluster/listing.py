"""Lists the clusters of a site, with one command there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.sites.cluster.record import Order, Standing, Wanted, parse_order, parse_standing, parse_wanted

if TYPE_CHECKING:
    from swath.sites.slurm.site import SlurmSite
    from swath.sites.transport import Transport

_SILENT_S = 90.0
"""A keeper writes every 20 s: one that has not for so long is no more."""
_LIST = r"""
date +%s
for folder in "$1"/*/; do
  [ -f "$folder/cluster.json" ] || continue
  for file in order wanted cluster; do tr -d '\n' <"$folder/$file.json"; echo; done
done
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A cluster as others see it."""

    order: Order
    """What was ordered."""
    wanted: Wanted
    """How large it is to be."""
    standing: Standing
    """How it stands."""
    silent: bool
    """True where its keeper does not write any more: it was killed, or its node was."""

    @property
    def state(self) -> str:
        """Its state in a word: one of `STATES`, or ``lost``."""
        return "lost" if self.silent and self.standing.state == "running" else self.standing.state


def list_clusters(site: SlurmSite) -> list[Listed]:
    """List the clusters of a site, by name."""
    return list_folder(site.transport, site.folder("clusters"))


def list_folder(transport: Transport, folder: str) -> list[Listed]:
    """List the clusters whose files are in a folder, by name."""
    return parse_listing(transport.run(("sh", "-c", _LIST, "sh", folder)).output.splitlines())


def parse_listing(lines: list[str]) -> list[Listed]:
    """Read what the listing prints: the time there, then three records for each cluster."""
    if not lines:
        return []
    now, found = float(lines[0]), []
    for order, wanted, standing in zip(lines[1::3], lines[2::3], lines[3::3], strict=False):
        try:
            stands = parse_standing(standing.encode())
            found.append(
                Listed(
                    parse_order(order.encode()), parse_wanted(wanted.encode()), stands,
                    silent=bool(stands.updated) and now - stands.updated > _SILENT_S,
                )
            )  # fmt: skip
        except (json.JSONDecodeError, TypeError, KeyError):  # of another version, or being deleted just now
            continue
    return found
