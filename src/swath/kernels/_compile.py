"""How the loops are compiled: once for each machine, kept on disk where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile a loop that frees the interpreter while it runs and rounds as plain arithmetic does.

    No fastmath: the sums stay in the order that is written, so a pixel's result does not depend on which
    pixels are beside it.
    """
    try:
        made: F = numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # neither the package folder nor the user's cache folder can be written
        made = numba.njit(function, nogil=True, error_model="numpy")
    return made
