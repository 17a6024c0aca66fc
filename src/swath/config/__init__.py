"""One tree of settings, and the sites and stores in it."""

from swath.config.settings import Settings, setting_files
from swath.config.sites import PartitionSettings, SiteSettings, check_site_name
from swath.config.sizes import format_slurm_time, parse_size, parse_slurm_time
from swath.config.stores import StoreSettings, check_store_name

__all__ = [
    "PartitionSettings",
    "Settings",
    "SiteSettings",
    "StoreSettings",
    "check_site_name",
    "check_store_name",
    "format_slurm_time",
    "parse_size",
    "parse_slurm_time",
    "setting_files",
]
