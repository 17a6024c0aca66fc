"""One tree of settings, and the sites in it."""

from swath.config.settings import Settings, setting_files
from swath.config.sites import PartitionSettings, SiteSettings, check_site_name
from swath.config.sizes import format_slurm_time, parse_size, parse_slurm_time

__all__ = [
    "PartitionSettings",
    "Settings",
    "SiteSettings",
    "check_site_name",
    "format_slurm_time",
    "parse_size",
    "parse_slurm_time",
    "setting_files",
]
