"""Files of a job that are on tape: asked for once, waited for without a worker, let go at the end.

What was asked for stands in ``stage.json`` in the job folder, so that whoever goes on with the job, after a
crash or on another machine with the same folder, does not ask again. Each job has requests of its own, and
releases these alone: what another job needs stays on disk.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

from swath.cube.sources import UNAVAILABLE, band_sources, find_band
from swath.model import JobFailedError, NotAllowedError, OutputError, StoreError
from swath.storage.recall_file import RecallFile, wait_for
from swath.storage.staging import has_tape, is_of, name_some, refuse_tape, tape_files

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from swath.jobs.folder import JobFolder
    from swath.processes import WorkPlan
    from swath.storage.recall import Recall
    from swath.storage.staging import TapeFile

LIFETIME = dt.timedelta(days=7)
"""How long files stay on disk for a job; asked for again when half of it is over and somebody looks."""
HELD = "its files are still kept on disk by"
"""What the message of a job says whose files could not be let go."""


def files_with_tape(items: Sequence[Mapping[str, Any]], work: WorkPlan) -> tuple[TapeFile, ...]:
    """Find the files of stores with tape that the units of a plan read; nothing is asked."""
    if not has_tape():
        return ()
    hrefs: dict[str, int] = {}
    for at in sorted({at for unit in work.units for at in unit.items}):
        item = dict(items[at])
        sources = band_sources(item)
        found = [find_band(sources, each) for each in work.bands] if work.bands else sources
        for each in found:
            if each is not None:
                hrefs[each.href] = int(item["assets"][each.asset].get("file:size") or 0)
    return tape_files(hrefs)


def write_recall(folder: JobFolder, files: Sequence[TapeFile]) -> None:
    """Write down what a job needs from stores with tape; nothing is asked yet."""
    RecallFile(folder.stage_file).begin(files, LIFETIME, holds=True)


def has_recall(folder: JobFolder) -> bool:
    """Tell whether a job needs files of stores with tape."""
    return folder.stage_file.exists()


def look_for_files(folder: JobFolder, *, fresh: bool = False) -> Recall:
    """Look how far the files of a job are, and ask for them where that has not been done.

    Parameters
    ----------
    folder : JobFolder
        The job, which has a recall.
    fresh : bool
        True when somebody begins or goes on with it: what was let go since is asked for again.

    Raises
    ------
    NotAllowedError
        A store refuses the request.
    """
    file, skip_bad = RecallFile(folder.stage_file), bool(folder.job["skip_bad"])
    if fresh:
        file.begin_again(retry_bad=not skip_bad)
    return file.advance(skip_bad=skip_bad)


def may_begin(folder: JobFolder, recall: Recall) -> bool:
    """Tell whether a job can begin; notes down what cannot be had, so that no unit waits for it.

    Raises
    ------
    JobFailedError
        Files cannot be had, and are not to be left out.
    """
    if recall.bad and not folder.job["skip_bad"]:
        count = f"{len(recall.bad)} of {len(recall.files)} files"
        raise JobFailedError(
            f"asset: {count} cannot be brought from tape: {name_some(recall.bad)}",
            fix="leave them out with --skip-bad, or ask the store's operators",
        )
    if recall.is_over:
        folder.note_unstaged(recall.bad)
    return recall.is_over


def bring_files(folder: JobFolder, tell: Callable[[str], object], stop: threading.Event) -> bool:
    """Wait until the files of a job are there.

    Parameters
    ----------
    folder : JobFolder
        The job.
    tell : callable of str
        Is told how far they are.
    stop : threading.Event
        Ends the waiting, and so does a file ``cancel`` in the job folder; the request goes on.

    Returns
    -------
    bool
        False when it was stopped.

    Raises
    ------
    JobFailedError
        Files cannot be had, and are not to be left out.
    NotAllowedError, StoreError
        A store refuses, or gives no answer for very long.
    """
    if not has_recall(folder):
        return True
    skip_bad = bool(folder.job["skip_bad"])
    file = RecallFile(folder.stage_file)
    file.begin_again(retry_bad=not skip_bad)
    recall = wait_for(
        file, lambda now: tell(now.words()), skip_bad=skip_bad, stop=stop, stopped=folder.cancel_file.exists
    )
    return may_begin(folder, recall)


def refuse_tape_of(folder: JobFolder, unit: str) -> None:
    """Refuse to do a unit again, some of whose files are on tape.

    Raises
    ------
    OnTapeError, MissingAssetError
        Says how many, or which.
    """
    if not has_recall(folder):
        return
    items = [folder.items[at] for at in folder.units[unit].items]
    mine = {each["href"] for item in items for each in item["assets"].values()}
    files = RecallFile(folder.stage_file).read().files
    refuse_tape({each.href: each.size for each in files if any(is_of(each.href, one) for one in mine)})


def let_files_go(folder: JobFolder) -> str:
    """Cancel and release what a job has asked for.

    Returns
    -------
    str
        Which stores do not take that now, and why; empty: all files may go. Whoever looks tries again.
    """
    if has_recall(folder):
        with contextlib.suppress(OutputError):
            away = RecallFile(folder.stage_file).let_go().away
            return "".join(f"; {HELD} {name} ({why.rstrip('.')})" for name, why in away.items())
    return ""


def keep_files(folder: JobFolder) -> Recall | None:
    """Ask again for the files of a job that was begun, before the time is over that they stay on disk.

    Returns
    -------
    Recall or None
        Where files have gone from disk since nobody looked for long: how far they are now. None: all is well.
    """
    if not has_recall(folder):
        return None
    with contextlib.suppress(OutputError, StoreError, NotAllowedError):  # whoever looks next tries again
        recall = RecallFile(folder.stage_file).keep()
        return None if recall.is_over else recall
    return None


def without_unstaged(item: dict[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """Give an item in which the files that cannot be had are marked, so that no reader waits for them."""
    bad = job.get("unstaged")
    if not bad:
        return item
    assets = dict(item["assets"])
    for key, each in assets.items():
        of_it = each["href"] if each["href"] in bad else None
        if of_it is None and each["href"].endswith(".zarr"):
            of_it = next((href for href in bad if is_of(href, each["href"])), None)
        if of_it is not None:
            assets[key] = {**each, "href": f"{UNAVAILABLE}{bad[of_it]}\n{each['href']}"}
    return {**item, "assets": assets}
