"""How to cite a product: in a sentence, and as BibTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def cite(item: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]], collections: Mapping[str, Any]) -> str:
    """Write the citation of a product and of the data that it was made from.

    Parameters
    ----------
    item : dict
        Item of the product.
    inputs : sequence of dict
        Items that it was derived from; only their collections matter.
    collections : mapping of id to collection dict
        The collections that are known; of others the id alone is named.

    Returns
    -------
    str
        Text for people, an empty line, and BibTeX entries for the product and each input collection.

    Examples
    --------
    >>> item = {"id": "ndvi-2020", "properties": {"datetime": "2020-01-01T00:00:00Z"}, "links": []}
    >>> print(cite(item, [{"collection": "s2"}], {}).splitlines()[0])
    ndvi-2020 (2020-01-01), made with swath from 1 item of s2.
    """
    properties = item.get("properties", {})
    counts: dict[str, int] = {}
    for each in inputs:
        name = str(each.get("collection") or "items without a collection")
        counts[name] = counts.get(name, 0) + 1
    text = [_sentence(item, counts)]
    lineage = properties.get("processing:lineage")
    if lineage:
        text.append(f"Processing: {lineage}")
    if counts:
        text.append("Data:")
        text += [f"- {_source(name, collections.get(name, {}))}" for name in sorted(counts)]
    entries = [_product_entry(item, counts)]
    entries += [_source_entry(name, collections.get(name, {})) for name in sorted(counts)]
    return "\n".join(text) + "\n\n" + "\n\n".join(entries) + "\n"


def _sentence(item: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    sources = ", ".join(
        f"{count} item{'' if count == 1 else 's'} of {name}" for name, count in sorted(counts.items())
    )
    made = f"made with {_software(item)}" + (f" from {sources}" if sources else "")
    return f"{_title(item)} ({_when(item)}), {made}."


def _title(item: Mapping[str, Any]) -> str:
    title = item.get("properties", {}).get("title")
    return f"{title} ({item['id']})" if title else str(item["id"])


def _software(item: Mapping[str, Any]) -> str:
    version = item.get("properties", {}).get("processing:software", {}).get("swath", "")
    return f"swath {version}".rstrip()


def _process(item: Mapping[str, Any]) -> str:
    """Name the process that made it, where the item says so."""
    said = item.get("properties", {}).get("processing:expression", {})
    expression = said.get("expression") if isinstance(said, dict) else None
    name = expression.get("process") if isinstance(expression, dict) else None
    return f", process {name}" if name else ""


def _when(item: Mapping[str, Any]) -> str:
    properties = item.get("properties", {})
    start = str(properties.get("start_datetime") or properties.get("datetime") or "")[:10]
    end = str(properties.get("end_datetime") or start)[:10]
    return start if start == end else f"{start} to {end}"


def _source(name: str, collection: Mapping[str, Any]) -> str:
    """Name a collection with its makers, licence and DOI, as far as it says them."""
    if collection.get("sci:citation"):
        parts = [str(collection["sci:citation"]).rstrip(".")]
    else:
        parts = [f"{collection.get('title') or name}" + (f" ({name})" if collection.get("title") else "")]
        makers = _makers(collection)
        if makers:
            parts.append("by " + ", ".join(makers))
    doi = collection.get("sci:doi")
    if doi and doi not in parts[0]:
        parts.append(f"https://doi.org/{doi}")
    if collection.get("license"):
        parts.append(f"licence: {_licence(collection)}")
    text = ", ".join(parts) + "."
    notice = _attribution(collection)
    return f"{text} {notice}" if notice else text


def _makers(collection: Mapping[str, Any]) -> list[str]:
    """List who made the data; hosts are left out when somebody else is named."""
    providers = collection.get("providers", [])
    makers = [each["name"] for each in providers if {"producer", "licensor"} & set(each.get("roles", []))]
    return makers or [each["name"] for each in providers]


def _licence(collection: Mapping[str, Any]) -> str:
    """Name the licence, and where it can be read when its name does not say enough."""
    licence = str(collection["license"])
    if licence not in ("other", "proprietary", "various"):
        return licence
    links = [each["href"] for each in collection.get("links", []) if each.get("rel") == "license"]
    return f"{licence} ({links[0]})" if links else licence


def _attribution(collection: Mapping[str, Any]) -> str:
    """Give the notice that a licence asks for, where the collection has one."""
    notice = collection.get("attribution") or collection.get("msft:attribution") or ""
    return str(notice).strip()


def _product_entry(item: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    links = [each["href"] for each in item.get("links", []) if each.get("rel") == "self"]
    fields = {
        "title": _title(item),
        "year": _when(item)[:4],
        "howpublished": f"Made with {_software(item)}{_process(item)}",
        "note": f"Derived from {', '.join(sorted(counts))}" if counts else "",
        "url": links[0] if links and "://" in links[0] else "",
    }
    return _entry(str(item["id"]), fields)


def _source_entry(name: str, collection: Mapping[str, Any]) -> str:
    fields = {
        "title": str(collection.get("title") or name),
        "author": " and ".join(f"{{{each}}}" for each in _makers(collection)),
        "doi": str(collection.get("sci:doi") or ""),
        "note": f"Licence: {_licence(collection)}" if collection.get("license") else "",
    }
    return _entry(name, fields)


def _entry(key: str, fields: Mapping[str, str]) -> str:
    """Write a BibTeX entry; characters that TeX reads as commands are escaped."""
    lines = [
        f"  {name} = {{{value if name in ('url', 'doi', 'author') else _escape(value)}}}"
        for name, value in fields.items()
        if value
    ]
    return f"@misc{{{re.sub(r'[^A-Za-z0-9:._-]', '-', key)},\n" + ",\n".join(lines) + "\n}"


def _escape(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)
