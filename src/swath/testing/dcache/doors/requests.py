"""Bulk requests and the WLCG tape API over REST: what is asked, and how the state is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from swath.testing.dcache.caveats import parse_duration
from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.namespace import clean, inside
from swath.testing.dcache.tape.bulk import BulkError

if TYPE_CHECKING:
    from swath.testing.dcache.doors.server import Handler
    from swath.testing.dcache.login import Login
    from swath.testing.dcache.tape.request import BulkRequest, Target

_STAGED = {"CREATED": "SUBMITTED", "READY": "SUBMITTED", "RUNNING": "STARTED", "SKIPPED": "FAILED"}
_LOCALITIES = {"NEARLINE": "TAPE", "ONLINE": "DISK", "ONLINE_AND_NEARLINE": "DISK_AND_TAPE"}
_MOST_PATHS = 10_000


def _as_json(status: int, content: object, **headers: str) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers)


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def _known(**found: object) -> dict[str, object]:
    """Leave out what is not known."""
    return {name: value for name, value in found.items() if value is not None}


def _user(handler: Handler) -> Login:
    who = handler.enter()
    if who.user is None:
        raise Answer(401, b"User cannot be anonymous.")
    return who


def _one(handler: Handler, uid: str, who: Login, activity: str | None = None) -> BulkRequest:
    try:
        return handler.dcache.bulk.find(uid, who, activity=activity)
    except BulkError as error:
        raise Answer(error.status, str(error).encode()) from error


def bulk_resource(handler: Handler, rest: str) -> Answer:
    """Answer under /bulk-requests."""
    uid, method = rest.strip("/"), handler.command
    if not uid and method == "GET":
        return _list(handler)
    who = _user(handler)
    if not uid and method == "POST":
        return _submit(handler, who)
    if method == "GET":
        return _as_json(200, _bulk_info(handler, _one(handler, uid, who)))
    if method == "PATCH":
        asked = handler.json()
        if str(asked.get("action", "")).lower() != "cancel":
            raise Answer(
                400,
                f"{asked['action']} not supported.".encode() if "action" in asked else b"no action provided.",
            )
        _cancel(handler, _one(handler, uid, who), asked.get("paths"))
        return Answer(200)
    if method == "DELETE":
        cancel = handler.params.get("cancelIfRunning", "false").lower() == "true"
        handler.dcache.bulk.clear(_one(handler, uid, who), cancel=cancel)
        return Answer(204)
    raise Answer(405)


def _list(handler: Handler) -> Answer:
    handler.enter()
    states = {each for each in handler.params.get("status", "").upper().split(",") if each}
    owners = {each for each in handler.params.get("owner", "").split(",") if each}
    first, below = int(handler.params.get("offset", 0)), handler.params.get("path")
    shown = []
    for each in handler.dcache.bulk.all():
        user = each.who.user
        owner = f"{user.uid}:{user.gids[0]}" if user else "-1:-1"
        touched = below is None or any(inside(each.place(one.path), clean(below)) for one in each.targets)
        if (
            each.number >= first
            and touched
            and (not states or each.status in states)
            and (not owners or owner in owners)
        ):
            shown.append(
                {
                    "id": each.number,
                    "url": each.url,
                    "owner": owner,
                    "activity": each.activity,
                    "status": each.status,
                }
            )
    return _as_json(200, shown[: handler.dcache.bulk.page])


def _bulk_info(handler: Handler, request: BulkRequest) -> dict[str, Any]:
    first, page = int(handler.params.get("offset", 0)), handler.dcache.bulk.page
    shown = sorted((each for each in request.targets if each.number >= first), key=lambda each: each.number)[
        :page
    ]
    return {
        "nextId": shown[-1].number + 1 if len(shown) == page else -1,
        "uid": request.uid,
        "arrivedAt": _ms(request.arrived),
        "startedAt": _ms(request.started),
        "lastModified": _ms(request.modified),
        "status": request.status,
        "targetPrefix": request.prefix,
        "targets": [_bulk_target(each) for each in shown],
    }


def _bulk_target(target: Target) -> dict[str, object]:
    return _known(
        target=target.path,
        state=target.state,
        submittedAt=_ms(target.submitted),
        startedAt=_ms(target.started),
        finishedAt=_ms(target.finished),
        errorType=target.failure.kind if target.failure else None,
        errorMessage=target.failure.message if target.failure else None,
        id=target.number,
    )


def _take(asked: dict[str, Any], name: str) -> Any:
    """Take a value that may be written in snake, kebab or camel case."""
    words = name.split("_")
    spellings = {name, "-".join(words), words[0] + "".join(each.title() for each in words[1:])}
    found = [asked.pop(each) for each in spellings if each in asked]
    if len(found) > 1:
        raise Answer(400, f"value for {name} defined more than once.".encode())
    return found[0] if found else None


def _submit(handler: Handler, who: Login) -> Answer:
    asked = handler.json()
    target = asked.pop("target", None) or []
    if isinstance(target, str):
        target = target.strip("[] ").replace('"', "").split(",")
    paths = [str(each).strip() for each in target if str(each).strip()]
    if not paths:
        raise Answer(400, b"request contains no targets.")
    arguments = {str(name): _text(value) for name, value in (asked.pop("arguments", None) or {}).items()}
    activity = str(asked.pop("activity", None))
    prefix = _take(asked, "target_prefix")
    if prefix:
        paths = [f"{str(prefix).rstrip('/')}/{each.lstrip('/')}" for each in paths]
    depth = str(_take(asked, "expand_directories") or "NONE").upper()
    flags = ("cancel_on_failure", "clear_on_success", "clear_on_failure")
    chosen = {name: str(_take(asked, name)).lower() == "true" for name in flags}
    _take(asked, "pre_store")
    asked.pop("prestore", None)
    if asked:
        raise Answer(400, f"unsupported arguments: {list(asked)}".encode())
    request = _enqueue(handler, who, activity, paths, depth=depth, arguments=arguments, **chosen)
    return Answer(201, headers={"Content-Type": "application/json", "request-url": request.url})


def _text(value: object) -> str:
    """Write an argument as Java does."""
    return (
        str(value).lower()
        if isinstance(value, bool)
        else json.dumps(value)
        if isinstance(value, dict)
        else str(value)
    )


def _enqueue(
    handler: Handler, who: Login, activity: str, paths: list[str], *, depth: str = "NONE", **more: object
) -> BulkRequest:
    tail = "tape/stage" if handler.target.startswith("/api/v1/tape/") else "bulk-requests"
    url = f"{handler.dcache.api_url}/{tail}"
    try:
        return handler.dcache.bulk.submit(who, activity, paths, url=url, depth=depth, **more)
    except BulkError as error:
        raise Answer(error.status, str(error).encode()) from error


def _cancel(handler: Handler, request: BulkRequest, paths: list[str] | None) -> None:
    try:
        handler.dcache.bulk.cancel(request, paths)
    except BulkError as error:
        detail = {"detail": str(error), "title": "File missing from stage request"}
        raise Answer(error.status, str(error).encode(), detail) from error


def tape_resource(handler: Handler, rest: str) -> Answer:
    """Answer under /tape."""
    kind, _, tail = rest.partition("/")
    uid, _, verb = tail.partition("/")
    who, method = _user(handler), handler.command
    if (kind, method, uid) == ("archiveinfo", "POST", ""):
        return _archive_info(handler, who)
    if (kind, method, verb) == ("release", "POST", "") and uid:
        arguments = {"id": uid}
        once: dict[str, Any] = {"cancel_on_failure": True, "clear_on_success": True, "clear_on_failure": True}
        _enqueue(handler, who, "RELEASE", _paths(handler.json()), arguments=arguments, **once)
        return Answer(200)
    if kind != "stage":
        raise Answer(404)
    if (method, uid) == ("POST", ""):
        return _stage(handler, who)
    request = _one(handler, uid, who, "STAGE")
    if (method, verb) == ("POST", "cancel"):
        _cancel(handler, request, _paths(handler.json()))
        return Answer(200)
    if (method, verb) == ("GET", ""):
        return _as_json(200, _stage_info(request))
    if (method, verb) == ("DELETE", ""):
        handler.dcache.bulk.clear(request, cancel=True)
        return Answer(200)
    raise Answer(405)


def _paths(asked: dict[str, Any]) -> list[str]:
    if not isinstance(asked.get("paths"), list):
        raise Answer(400, b"request had no paths.")
    return [str(each) for each in asked["paths"]]


def _stage(handler: Handler, who: Login) -> Answer:
    asked = handler.json()
    files = asked.pop("files", None)
    if not files or not isinstance(files, list):
        raise Answer(400, b"request contains no files.")
    if asked:
        raise Answer(400, f"unrecognized payload element(s): {list(asked)}".encode())
    lifetimes = {}
    for at, each in enumerate(files):
        if "path" not in each:
            raise Answer(400, f"file object {at} has no path.".encode())
        if "diskLifetime" in each:
            parse_duration(each["diskLifetime"])
            lifetimes[each["path"]] = each["diskLifetime"]
    arguments = {"diskLifetime": json.dumps(lifetimes)}
    request = _enqueue(handler, who, "STAGE", [str(each["path"]) for each in files], arguments=arguments)
    return _as_json(201, {"requestId": request.uid}, location=request.url)


def _stage_info(request: BulkRequest) -> dict[str, object]:
    files = [
        _known(
            path=each.path,
            finishedAt=_ms(each.finished),
            startedAt=_ms(each.started),
            error=each.failure.message if each.failure else None,
            state=_STAGED.get(each.state, each.state),
        )
        for each in request.targets
    ]
    return _known(
        id=request.uid,
        createdAt=_ms(request.arrived),
        startedAt=_ms(request.started or request.arrived),
        completedAt=_ms(request.modified) if request.over else None,
        files=files,
    )


def _archive_info(handler: Handler, who: Login) -> Answer:
    names, shown = handler.dcache.namespace, []
    for asked in _paths(handler.json())[:_MOST_PATHS]:
        path = who.restriction.resolve(asked)
        if not who.restriction.allows("READ_METADATA", path):
            shown.append({"path": asked, "error": f"Access denied for {path}"})
        elif not names.exists(path):
            shown.append({"path": asked, "error": f"No such file or directory {path}"})
        elif names.is_folder(path):
            shown.append({"path": asked, "locality": "NONE"})
        else:
            locality = names.entry(path).locality()
            shown.append({"path": asked, "locality": _LOCALITIES.get(locality, locality)})
    return _as_json(200, shown)
