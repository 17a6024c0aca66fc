"""Bulk requests: lists of files with one thing to do to each, and how far that is."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from swath.testing.dcache.namespace import clean
from swath.testing.dcache.tape.activities import Failure, perform, unpin
from swath.testing.dcache.tape.request import BulkRequest, Target

if TYPE_CHECKING:
    from swath.testing.dcache.emulator import DCache
    from swath.testing.dcache.login import Login
    from swath.testing.dcache.tape.request import Depth

ACTIVITIES = ("DELETE", "LOG_TARGET", "PIN", "RELEASE", "STAGE", "UNPIN", "UPDATE_QOS")
"""What can be done in bulk."""
_DEPTHS = ("NONE", "TARGETS", "ALL")


class BulkError(Exception):
    """A bulk request that is refused.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        Why.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Bulk:
    """The bulk service; what has happened by now is worked out whenever somebody looks.

    Parameters
    ----------
    dcache : DCache
        Whose files it works on.
    """

    def __init__(self, dcache: DCache) -> None:
        self.delay_s = 0.0
        """How long a request stays queued, seconds."""
        self.page = 10_000
        """The most targets, or requests, in one answer."""
        self.allowed_depth: Depth = "TARGETS"
        """How far folders may be expanded; dCache's default."""
        self.most_targets: dict[Depth, int] = {"NONE": 500, "TARGETS": 10, "ALL": 1}
        """The most targets of one request; dCache's defaults."""
        self.most_requests = 5000
        """The most unfinished requests of one user; dCache's default."""
        self.failures: dict[str, Failure] = {}
        """Targets that will fail, by their paths in dCache."""
        self._dcache = dcache
        self._requests: dict[str, BulkRequest] = {}
        self._numbers = 0

    def submit(
        self, who: Login, activity: str, paths: list[str], *, url: str, depth: str, **more: object
    ) -> BulkRequest:
        """Take a request in.

        Parameters
        ----------
        who : Login
            Who wants it.
        activity : str
            One of ACTIVITIES.
        paths : list of str
            The targets.
        url : str
            The address of requests, to which the id is added.
        depth : str
            NONE, TARGETS or ALL.
        **more
            ``arguments`` and the flags of a BulkRequest.
        """
        if activity not in ACTIVITIES:
            raise BulkError(400, f"{activity} is not a recognized activity.")
        if depth not in _DEPTHS:
            raise BulkError(400, f"No enum constant {depth}")
        self._check_size(len(paths), depth)
        waiting = [each for each in self._requests.values() if not each.over and each.who.user == who.user]
        if len(waiting) >= self.most_requests:
            raise BulkError(429, "too many requests")
        now, uid = self._dcache.clock.now(), str(uuid.uuid4())
        paths = list(dict.fromkeys(clean(each) for each in paths))
        request = BulkRequest(
            uid,
            self._number(),
            activity,
            who,
            f"{url}/{uid}",
            now,
            targets=[],
            depth=depth,  # type: ignore[arg-type]
            modified=now,
            **more,  # type: ignore[arg-type]
        )
        request.targets = [Target(self._number(), each, "CREATED", now) for each in paths]
        self._requests[uid] = request
        self.settle()
        return request

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _check_size(self, count: int, depth: str) -> None:
        if _DEPTHS.index(depth) > _DEPTHS.index(self.allowed_depth):
            raise BulkError(
                413,
                "full directory recursion not permitted."
                if depth == "ALL"
                else "processing children of a directory not permitted.",
            )
        most = self.most_targets[depth]  # type: ignore[index]
        if count > most:
            raise BulkError(
                413, f"The number of targets {count} exceeds maximum {most} for directory expansion {depth}."
            )

    def find(self, uid: str, who: Login, *, activity: str | None = None) -> BulkRequest:
        """Give a request to whoever may see it."""
        self.settle()
        request = self._requests.get(uid)
        if request is None:
            raise BulkError(404, f"request id {uid} is no longer valid!")
        if request.who.user != who.user or not request.who.restriction.within(who.restriction):
            raise BulkError(403, uid)
        if activity not in (None, request.activity):
            raise BulkError(400, f"request {uid} is not a {activity} request")
        return request

    def all(self) -> list[BulkRequest]:
        """List the requests that have not been cleared."""
        self.settle()
        return list(self._requests.values())

    def cancel(self, request: BulkRequest, paths: list[str] | None) -> None:
        """End a request, or some of its targets, before the time."""
        if paths:
            for path in paths:
                if not self._named(request, path):
                    raise BulkError(
                        400,
                        f"The file {path} does not belong to the {request.activity} request {request.uid}. "
                        "No modification has been made to this request.",
                    )
        chosen = [each for path in paths for each in self._named(request, path)] if paths else request.targets
        now = self._dcache.clock.now()
        for target in chosen:
            self._cancel(request, target, now)
        if not paths and not request.over:
            request.status, request.modified = "CANCELLED", now
        self.settle()

    def _named(self, request: BulkRequest, path: str) -> list[Target]:
        return [each for each in request.targets if request.place(each.path) == request.place(path)]

    def _cancel(self, request: BulkRequest, target: Target, now: float) -> None:
        if target.waits:
            target.end("CANCELLED", now)
            others = [each for one in self._requests.values() for each in one.targets if each.waits]
            if target.recall and not any(each.recall is target.recall for each in others):
                self._dcache.tape.give_up(target.recall)
        if request.activity in ("STAGE", "PIN"):
            unpin(self._dcache, request.place(target.path), request.arguments.get("id") or request.uid)

    def clear(self, request: BulkRequest, *, cancel: bool) -> None:
        """Forget a request; one that runs is cancelled first, or forgotten when it is done."""
        if cancel and not request.over:
            self.cancel(request, None)
        if request.over:
            self._requests.pop(request.uid, None)
        else:
            request.clear_on_success = request.clear_on_failure = True

    def settle(self) -> None:
        """Let happen what should have happened by now."""
        self._dcache.tape.settle()
        now = self._dcache.clock.now()
        for request in list(self._requests.values()):
            if request.status == "QUEUED" and now >= request.arrived + self.delay_s:
                self._start(request, now)
            if request.status == "STARTED":
                self._follow(request, now)

    def _start(self, request: BulkRequest, now: float) -> None:
        request.status, request.started, request.modified = "STARTED", now, now
        for target in list(request.targets):
            if target.waits:
                self._expand(request, target, now)
        for target in request.targets:
            if target.waits and target.state != "RUNNING":
                target.state, target.started = "RUNNING", now
                perform(self._dcache, request, target)

    def _expand(self, request: BulkRequest, target: Target, now: float) -> None:
        """Put what is in a folder in its place."""
        names, place = self._dcache.namespace, request.place(target.path)
        if request.depth == "NONE" or not names.is_folder(place):
            return
        below = [f"{target.path.rstrip('/')}/{name}" for name in names.children(place)]
        made = [Target(self._number(), each, "CREATED", now) for each in below]
        if request.depth == "ALL":
            request.targets += made
            for each in made:
                self._expand(request, each, now)
        else:
            request.targets += [each for each in made if not names.is_folder(request.place(each.path))]
        if request.activity != "DELETE":
            target.end("SKIPPED" if request.activity != "LOG_TARGET" else "COMPLETED", now)
        elif request.targets[-1] is not target:
            request.targets.remove(target)
            request.targets.append(target)

    def _follow(self, request: BulkRequest, now: float) -> None:
        for target in request.targets:
            if target.state == "RUNNING" and target.recall and target.recall.over:
                perform(self._dcache, request, target)
        failed = [each for each in request.targets if each.state == "FAILED"]
        if failed and request.cancel_on_failure:
            for target in request.targets:
                if target.waits:
                    self._cancel(request, target, now)
        if not any(each.waits for each in request.targets):
            ends = [each.finished or now for each in request.targets]
            request.status, request.modified = "COMPLETED", max(ends, default=now)
            if request.clear_on_failure if failed else request.clear_on_success:
                self._requests.pop(request.uid, None)
