"""How commands and files come to a site: on this machine, or over one SSH connection."""

from swath.sites.transport.here import Here
from swath.sites.transport.way import Completed, Transport

__all__ = ["Completed", "Here", "Transport", "open_transport"]


def open_transport(ssh: str) -> Transport:
    """Open the way to a site.

    Parameters
    ----------
    ssh : str
        ``user@host``, ``host:port`` or a name of ``~/.ssh/config``; empty: this machine.

    Raises
    ------
    SiteError, NotAllowedError
        The login node does not answer; it does not let the user in; its host key is another one.
    """
    if not ssh:
        return Here()
    from swath.sites.transport.ssh import Ssh

    return Ssh(ssh)
