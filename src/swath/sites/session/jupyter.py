"""Jupyter server extension: the caller's Dask clusters in JupyterLab's menu, and in its kernels."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from typing import TYPE_CHECKING, Any

from swath.sites.session.menu import Menu, security_of

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "SESSION_CLUSTERS"
"""Variable that names the folder of clusters."""
_LOADER = "DASK_DISTRIBUTED__CLIENT__SECURITY_LOADER"
_LOOK_S = 2.0
_THIS_PYTHON = ("python", "python3", f"python3.{sys.version_info[1]}", sys.executable)
"""What kernels write who mean the Python of the server."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    folder = os.environ.get(FOLDER, "")
    try:
        from dask_labextension.manager import manager  # type: ignore[import-untyped]
    except ImportError:
        server.log.info("swath: no Dask menu, since dask-labextension is not installed")
        return
    specs = server.kernel_spec_manager
    specs.get_kernel_spec = with_loader(specs.get_kernel_spec)
    server.io_loop.add_callback(_keep, Menu(manager, folder), server.log)


async def _keep(menu: Menu, log: Any) -> None:
    said = ""
    while True:
        try:
            await menu.refresh()
        except (
            OSError,
            ValueError,
        ) as error:  # a file system that is away for a while; a certificate half gone
            if str(error) != said:
                log.warning("swath: the Dask menu is not up to date: %s", said := str(error))
        await asyncio.sleep(_LOOK_S)


def with_loader(get: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels of this Python find the certificates of clusters; others may not have swath.

    Parameters
    ----------
    get : callable
        Gives the `KernelSpec` of a name.
    """
    import dask
    import distributed  # noqa: F401 -- fills the configuration

    theirs = dask.config.get("distributed.client.security-loader", None)

    @functools.wraps(get)
    def get_kernel_spec(*names: Any, **options: Any) -> Any:
        spec = get(*names, **options)
        if not theirs and spec.argv and spec.argv[0] in _THIS_PYTHON:
            spec.env = {_LOADER: f"{__name__}.load_security", **spec.env}
        return spec

    return get_kernel_spec


def load_security(known: dict[str, Any]) -> Any:
    """Give a `distributed.Client` what opens the cluster at an address, where it is one of the caller's."""
    return security_of(os.environ.get(FOLDER, ""), str(known.get("address", "")))
