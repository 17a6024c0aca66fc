"""Environments that are one file, named after their content: made, kept and brought to sites."""

from swath.sites.envs.build import build
from swath.sites.envs.sources import Source, read_source
from swath.sites.envs.store import Kept, list_kept, push

__all__ = ["Kept", "Source", "build", "list_kept", "push", "read_source"]
