"""What JupyterLab's Dask menu shows: the caller's clusters, found by the files they leave at the site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_LINK = "DASK_DISTRIBUTED__DASHBOARD__LINK"


def find_clusters(folder: str) -> list[dict[str, str]]:
    """List the clusters that a folder tells of, in ``NAME/cluster.json``: name, address, dashboard."""
    found = []
    for path in sorted(Path(folder).glob("*/cluster.json")) if folder else []:
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # being written, or deleted just now
            continue
        if isinstance(tree, dict) and tree.get("address"):
            known = {key: str(tree.get(key) or "") for key in ("name", "address", "dashboard")}
            found.append({**known, "name": known["name"] or path.parent.name})
    return found


def dask_variables(folder: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that put clusters into the menu; what the user has set himself stays.

    Parameters
    ----------
    folder : str
        Where the clusters' files are.
    environ : mapping
        The variables that are set already.
    """
    # Dashboards of clusters that notebooks start are seen through jupyter-server-proxy.
    given = {_LINK: "/proxy/{port}/status"}
    found = find_clusters(folder)
    if found and not any(each.startswith("DASK_LABEXTENSION__") for each in environ):
        initial = [{"name": each["name"]} for each in found]
        given |= {
            "DASK_LABEXTENSION__FACTORY__MODULE": __name__,
            "DASK_LABEXTENSION__FACTORY__CLASS": KnownCluster.__name__,
            "DASK_LABEXTENSION__FACTORY__ARGS": repr([folder]),
            "DASK_LABEXTENSION__INITIAL": repr(initial),
        }
    return {key: value for key, value in given.items() if key not in environ}


class KnownCluster:
    """A cluster that runs already, as dask-labextension wants to see one.

    The extension makes one for each entry of the menu, in order, and does not tell which one; so they are
    given out in that order, and from the first one again for those that the user adds.

    Parameters
    ----------
    folder : str
        Where the clusters' files are.
    """

    _next = 0

    def __init__(self, folder: str, **_: Any) -> None:
        found = find_clusters(folder)
        if not found:
            raise RuntimeError("there is no cluster any more; start one with `swath cluster start`")
        chosen = found[KnownCluster._next % len(found)]
        KnownCluster._next += 1
        self.name, self.scheduler_address = chosen["name"], chosen["address"]
        self.dashboard_link = chosen["dashboard"]
        self._workers: dict[str, Any] = {}

    def __await__(self) -> Generator[Any, None, Self]:
        return self._look().__await__()

    async def _look(self) -> Self:
        return self

    @property
    def scheduler_info(self) -> dict[str, Any]:
        """What is known of its workers without asking it: nothing."""
        return {"workers": self._workers}

    def scale(self, _workers: int) -> None:
        """Leave its size to ``swath cluster scale``."""

    def adapt(self, **_: Any) -> Any:
        """Leave its size to ``swath cluster scale``."""

    async def close(self) -> None:
        """Forget it here; ``swath cluster stop`` ends it."""
