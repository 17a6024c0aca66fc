"""Files of a cube that are on tape: refused before anything is read, or waited for."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

from swath.config import Settings
from swath.model import MissingAssetError
from swath.storage.recall_file import recall_file, recall_id, wait_for
from swath.storage.staging import has_tape, name_some, refuse_tape, tape_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from swath.cube.plan import CubePlan
    from swath.storage.recall import Recall

LIFETIME = dt.timedelta(days=2)


def bring_files(plan: CubePlan, items: Sequence[Mapping[str, Any]], *, wait: bool) -> None:
    """See to it that no file of a cube is on tape.

    Parameters
    ----------
    plan : CubePlan
        What will be read.
    items : sequence of dict
        Its items, which may tell how large files are.
    wait : bool
        True to ask for what is on tape, and to wait for it.

    Raises
    ------
    OnTapeError
        Some are, and are not to be waited for.
    MissingAssetError
        Some cannot be had.
    """
    if not has_tape():
        return
    used = {
        each.href
        for group in plan.groups
        for item in group.items
        for each in (*item.bands, item.quality)
        if each
    }
    sizes = {
        each["href"]: int(each.get("file:size") or 0)
        for item in items
        for each in item.get("assets", {}).values()
    }
    hrefs = {href: sizes.get(href, 0) for href in sorted(used)}
    if not wait:
        refuse_tape(hrefs)
        return
    files = tape_files(hrefs)
    if not files:
        return
    home = Settings.read().home
    file = recall_file(home, files)
    recall = file.begin(files, LIFETIME)
    if not recall.is_over:
        recall = wait_for(file, _teller(recall_id(files)), skip_bad=False)
    if recall.bad:
        raise MissingAssetError(
            f"asset: {len(recall.bad)} of {len(files)} files cannot be brought from tape: "
            f"{name_some(recall.bad)}"
        )


def _teller(name: str) -> Callable[[Recall], None]:
    """Write a line to stderr for each change; what was there from the beginning is not told."""
    said = ""

    def tell(recall: Recall) -> None:
        nonlocal said
        words = recall.words()
        if words != said and (said or not recall.is_over):
            again = "" if said else f"; `swath catalog stage --status {name}` tells how it stands"
            sys.stderr.write(f"swath: {words}{again}\n")
            said = words

    return tell
