"""The tree of errors."""

from __future__ import annotations

import pickle

import pytest

from swath.model import (
    CatalogError,
    InputError,
    JobDismissedError,
    JobFailedError,
    MissingAssetError,
    NotAllowedError,
    NotFoundError,
    OutputError,
    SwathError,
    TooLargeError,
    UnreadableAssetError,
    nearest,
    unknown,
)

KINDS = {
    InputError: (2, 400, ValueError), NotFoundError: (3, 404, LookupError),
    MissingAssetError: (3, 404, FileNotFoundError),
    UnreadableAssetError: (2, 422, OSError), NotAllowedError: (4, 403, PermissionError),
    OutputError: (2, 507, OSError),
    TooLargeError: (2, 413, MemoryError), CatalogError: (2, 500, OSError),
    JobFailedError: (5, 500, RuntimeError),
    JobDismissedError: (5, 500, JobFailedError),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_code_and_the_builtin_that_one_expects(kind):
    exit_code, http_status, builtin = KINDS[kind]
    error = kind("files: nothing is here", fix="look there", known=("a", "b"))
    assert (error.exit_code, error.http_status) == (exit_code, http_status)
    assert isinstance(error, builtin)
    assert isinstance(error, SwathError)
    assert str(error) == "files: nothing is here.\n  fix: look there; known: a, b."


@pytest.mark.parametrize("kind", KINDS)
def test_errors_travel_between_processes(kind):
    error = kind("what", fix="fix", known=("a",))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.fix, again.known) == ("what", "fix", ("a",))
    assert str(again) == str(error)


def test_many_known_values_are_cut_short():
    text = str(InputError("x: no", known=[f"n{at}" for at in range(100)]))
    assert "n23, … (100 in all)." in text
    assert "n24" not in text


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("ndiv", "NDVI"),
        ("Sentinel-2-l2a", "sentinel-2-l2a"),
        ("re", "red"),
        ("sentinel2", "sentinel-2-l2a"),
        ("wird", "nird"),
    ],
)
def test_the_nearest_name_comes_first(name, first):
    known = ["EVI", "NDVI", "NDWI", "red", "nird", "sentinel-2-l2a", "landsat-c2-l2"]
    assert nearest(name, known)[0] == first
    assert sorted(nearest(name, known)) == sorted(known)


def test_what_is_like_nothing_gets_no_proposal():
    error = unknown("x: no 'qqq'", "qqq", ["alpha", "beta"])
    assert error.fix == ""
    assert error.known == ("alpha", "beta")
    assert isinstance(unknown("x", "y", [], NotFoundError), NotFoundError)
