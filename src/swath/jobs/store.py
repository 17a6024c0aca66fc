"""The job store: one SQLite file with a row for each job, which everybody who asks for a job reads."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from swath.model import CatalogError, JobState, JobStatus, NotFoundError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS = tuple(each.name for each in fields(JobStatus))
_REST = ", ".join(each for each in _COLUMNS if each != "id")
_SCHEMA = (
    f"CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, {_REST}, inputs TEXT NOT NULL DEFAULT '{{}}')"
)


class JobStore:
    """Rows of jobs in a SQLite file; safe with several processes.

    Parameters
    ----------
    path : Path
        The file; made when it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30)
            try:
                with connection:
                    connection.execute(_SCHEMA)
                    yield connection
            finally:
                connection.close()
        except (sqlite3.DatabaseError, OSError) as error:
            raise CatalogError(
                f"jobs: the job store {str(self.path)!r} cannot be used ({error})",
                fix="move the file away: jobs and results lie in their own folders",
            ) from error

    def put(self, status: JobStatus, inputs: dict[str, Any] | None = None) -> None:
        """Insert or update a job's row."""
        row = {**asdict(status), "state": status.state.value}
        names = ", ".join(_COLUMNS)
        slots = ", ".join(f":{each}" for each in _COLUMNS)
        updates = ", ".join(f"{each} = excluded.{each}" for each in _COLUMNS if each != "id")
        with self._open() as connection:
            connection.execute(
                f"INSERT INTO jobs ({names}, inputs) VALUES ({slots}, :inputs) "
                f"ON CONFLICT (id) DO UPDATE SET {updates}",
                {**row, "inputs": json.dumps(inputs or {})},
            )

    def get(self, job_id: str) -> JobStatus:
        """Read a job's row; the beginning of its id is enough when only one has it.

        Raises
        ------
        NotFoundError
            There is no such job; the nearest are named.
        """
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE id = ? OR substr(id, 1, ?) = ? "
                "ORDER BY id = ? DESC LIMIT 3",
                (job_id, len(job_id), job_id, job_id),
            ).fetchall()
            known = [
                each for (each,) in connection.execute("SELECT id FROM jobs ORDER BY created DESC LIMIT 50")
            ]
        if not rows or (len(rows) > 1 and rows[0][0] != job_id):
            why = "there is no job" if not rows else "several jobs begin with"
            raise NotFoundError(
                f"jobs: {why} {job_id!r}", fix="see `swath jobs list`", known=nearest(job_id, known)[:5]
            )
        return _status(rows[0])

    def list(self, limit: int = 100) -> list[JobStatus]:
        """List jobs, the newest first."""
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM jobs ORDER BY created DESC, id LIMIT ?", (limit,)
            ).fetchall()
        return [_status(each) for each in rows]

    def remove(self, job_id: str) -> None:
        """Forget a job; its folder stays."""
        with self._open() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))


def _status(row: tuple[Any, ...]) -> JobStatus:
    tree = dict(zip(_COLUMNS, row, strict=True))
    return JobStatus(**{**tree, "state": JobState(tree["state"])})
