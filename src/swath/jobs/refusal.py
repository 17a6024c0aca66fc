"""Credentials that end while a job runs: what is done stays, and whoever has fresh ones goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.model import NotAllowedError, RefusedAssetError

if TYPE_CHECKING:
    from swath.jobs.folder import JobFolder
    from swath.model import SwathError


def is_refusal(error: SwathError) -> bool:
    """Tell whether an error says that a store does not take the credentials of a job any more."""
    return isinstance(error, (RefusedAssetError, NotAllowedError))


def describe_error(folder: JobFolder, error: SwathError) -> str:
    """Write the error that ends a job; where credentials have ended, with what is kept and how to go on."""
    if not is_refusal(error):
        return str(error)
    done, total = len(folder.published()), len(folder.units)
    goes_on = f"`swath jobs rerun {folder.job['id']}` goes on with fresh ones"
    return f"{error.what.rstrip('.')}; {done} of {total} units are kept\n  fix: {goes_on}."
