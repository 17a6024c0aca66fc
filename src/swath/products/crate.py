"""The provenance record of a job: a Process Run Crate (RO-Crate)."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from swath.storage.whole import write_json
from swath.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_METADATA = "ro-crate-metadata.json"
_SHA2_256 = "1220"
_ITEMS = "items.ndjson"
_JOB_FILES = {
    "job.json": "application/json",
    _ITEMS: "application/x-ndjson",
    "units.json": "application/json",
    "log.txt": "text/plain",
}

_MANY_RESULTS = 500


def write_crate(
    folder: Path,
    *,
    job: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
) -> Path:
    """Write ``provenance/ro-crate-metadata.json``: what ran, with which inputs, software and results.

    The crate is the job folder; its description lies one folder below, where the job folder's layout puts
    it. All local names in it, that of the root data entity (``../``) too, are therefore written from there:
    they resolve as any relative URI does, and RO-Crate 1.1 asks ``./`` of the root by a SHOULD alone.

    Parameters
    ----------
    folder : Path
        The job folder.
    job : mapping
        ``id``, ``process``, ``version``, ``inputs``; where known ``title``, ``site``, ``user``, and
        ``started`` and ``finished`` (RFC 3339).
    items : sequence of dict
        Input items; each is named by its ``self`` link where that is a URL, else as a part of
        ``items.ndjson``.
    results : sequence of dict
        Items of the products. Their ``self`` link says where they are, absolute or from the job folder;
        without one that is ``results/<id>.json``. The hrefs of assets are relative to that. Of more
        than 500 items only they themselves are listed: each has the checksums of its assets.
    environment : mapping
        Versions of the software by name.

    Returns
    -------
    Path
        The file. Its bytes depend on the arguments alone.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    profile = _add(
        crate, ContextEntity, _PROFILE,
        {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
    )  # fmt: skip
    title = str(job.get("title") or f"{job['process']} ({job['id']})")
    root = crate.root_dataset
    root["conformsTo"] = profile
    root["name"] = title
    root["description"] = f"The job {job['id']} of swath, which ran the process {job['process']}."
    root["datePublished"] = str(job.get("finished") or job.get("started") or "1970-01-01")
    root["license"] = "The licences of the inputs hold; see the collections of the input items."
    for name, media in _JOB_FILES.items():
        if (folder / name).is_file():
            crate.add_file(dest_path=name, properties={"name": name, "encodingFormat": media})
    few = len(results) <= _MANY_RESULTS
    outputs = [each for result in results for each in _add_result(crate, folder, result, assets=few)]
    action = {
        "name": title,
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        "description": f"Run of {job['process']} at the site {job.get('site') or 'local'}.",
    }
    for key, name in (("started", "startTime"), ("finished", "endTime")):
        if job.get(key):
            action[name] = str(job[key])
    run = crate.add_action(
        _instrument(crate, job, environment),
        identifier=f"#{job['id']}",
        object=[_add_input(crate, each) for each in items] + _parameters(crate, job.get("inputs") or {}),
        result=outputs,
        properties=action,
    )
    if job.get("user"):
        agent = {"@type": "Person", "name": str(job["user"])}
        run["agent"] = _add(crate, ContextEntity, f"#{job['user']}", agent)
    root["mentions"] = run
    path = folder / "provenance" / _METADATA
    write_json(path, _from_below(crate.metadata.generate()))
    return path


def _add(crate: Any, kind: Any, name: str, properties: dict[str, Any]) -> Any:
    return crate.add(kind(crate, name, properties=properties))


def _instrument(crate: Any, job: Mapping[str, Any], environment: Mapping[str, Any]) -> Any:
    """Describe the process as a program that needs swath and the rest of the environment."""
    from rocrate.model.contextentity import ContextEntity

    needed = []
    for name, version in sorted({"swath": __version__, **environment}.items()):
        properties = {"@type": "SoftwareApplication", "name": name, "softwareVersion": str(version)}
        needed.append(_add(crate, ContextEntity, f"#software-{name}", properties))
    process = str(job["process"])
    instrument = _add(
        crate, ContextEntity, f"#process-{process}",
        {"@type": "SoftwareApplication", "name": process, "softwareVersion": str(job.get("version") or "")},
    )  # fmt: skip
    instrument["softwareRequirements"] = needed
    return instrument


def _add_input(crate: Any, item: Mapping[str, Any]) -> Any:
    """Name an input item by where it is; one that is nowhere is described in place."""
    from rocrate.model.contextentity import ContextEntity

    href = _self(item)
    properties: dict[str, Any] = {"name": str(item["id"]), "encodingFormat": "application/geo+json"}
    if item.get("collection"):
        properties["description"] = f"Item of the collection {item['collection']}"
    if "://" in href:
        return crate.add_file(href, properties=properties)
    listed = crate.dereference(_ITEMS)
    if listed is not None:
        properties["isPartOf"] = {"@id": _ITEMS}
    properties["@type"] = "CreativeWork"
    return _add(crate, ContextEntity, f"#item-{item['id']}", properties)


def _parameters(crate: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """Describe the inputs of the process as name and value."""
    import json

    from rocrate.model.contextentity import ContextEntity

    made = []
    for name, value in sorted(inputs.items()):
        plain = value if isinstance(value, (str, int, float)) else json.dumps(value, sort_keys=True)
        properties = {"@type": "PropertyValue", "name": name, "value": plain}
        made.append(_add(crate, ContextEntity, f"#input-{name}", properties))
    return made


def _add_result(crate: Any, folder: Path, item: Mapping[str, Any], *, assets: bool) -> list[Any]:
    """Add an item of a product and, on request, its assets with their checksums."""
    at = _inside(folder, _self(item) or f"results/{item['id']}.json")
    properties = {"name": str(item["id"]), "encodingFormat": "application/geo+json"}
    made = [crate.add_file(dest_path=at, properties=properties)]
    for key, asset in sorted(item["assets"].items()) if assets else ():
        href = str(asset["href"])
        path = os.path.normpath(PurePosixPath(at).parent / href) if not _is_absolute(href) else href
        described = {"name": f"{item['id']}: {asset.get('title') or key}"}
        if asset.get("type"):
            described["encodingFormat"] = str(asset["type"])
        if asset.get("file:size") is not None:
            described["contentSize"] = str(asset["file:size"])
        checksum = str(asset.get("file:checksum") or asset.get("swath:checksum") or "")
        if checksum.startswith(_SHA2_256):
            described["sha256"] = checksum.removeprefix(_SHA2_256)
        add = crate.add_dataset if path.endswith(".zarr") else crate.add_file
        made.append(add(dest_path=_inside(folder, path), properties=described))
    return made


def _self(item: Mapping[str, Any]) -> str:
    return next((str(each["href"]) for each in item.get("links", []) if each.get("rel") == "self"), "")


def _is_absolute(href: str) -> bool:
    return "://" in href or href.startswith("/")


def _inside(folder: Path, href: str) -> str:
    """Give a name as seen from the job folder."""
    root = f"{folder}/"
    if (
        href.startswith(root) and "/../" not in href
    ):  # nearly always; relpath takes its time, and files are many
        return href.removeprefix(root)
    if href.startswith("/"):
        return Path(os.path.relpath(href, folder)).as_posix()
    return href.removeprefix("./")


def _from_below(document: dict[str, Any]) -> dict[str, Any]:
    """Rewrite a crate's local names for a description that lies one folder below the root."""
    entities = {entity["@id"] for entity in document["@graph"]}
    local = {
        name
        for name in entities
        if not name.startswith(("#", "_:")) and "://" not in name and name != _METADATA
    }

    def rewritten(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"../{each.removeprefix('./')}" if key == "@id" and each in local else rewritten(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [rewritten(each) for each in value]
        return value

    document["@graph"] = sorted(
        (rewritten(each) for each in document["@graph"]), key=lambda each: each["@id"]
    )
    return document
