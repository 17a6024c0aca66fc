"""Jobs: a process at a site, its folder, its units, its life, and its products made again."""

from swath.jobs.execute import Resources, execute
from swath.jobs.folder import JobFolder
from swath.jobs.job import Job, job_store, raise_failure
from swath.jobs.lifecycle import get_job, list_jobs, open_job, resources_of, submit
from swath.jobs.prepare import Planned, Request, find_items, plan, prepare
from swath.jobs.rerun import AssetComparison, job_of, read_item, rerun_item
from swath.jobs.store import JobStore

__all__ = [
    "AssetComparison",
    "Job",
    "JobFolder",
    "JobStore",
    "Planned",
    "Request",
    "Resources",
    "execute",
    "find_items",
    "get_job",
    "job_of",
    "job_store",
    "list_jobs",
    "open_job",
    "plan",
    "prepare",
    "raise_failure",
    "read_item",
    "rerun_item",
    "resources_of",
    "submit",
]
