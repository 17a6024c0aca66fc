"""Profiles of known clusters: settings that are valid, and marked as what nobody has tried."""

from __future__ import annotations

from swath.config import SiteSettings
from swath.sites.profiles import profiles


def test_profiles_are_settings_and_say_that_nobody_has_tried_them():
    found = profiles()
    assert {"spider", "snellius", "levante", "terrabyte", "lumi", "delftblue"} <= set(found)
    for profile in found.values():
        about = {key: profile.pop(key, None) for key in ("title", "untested", "hint", "needs", "source")}
        assert about["untested"] is True
        assert about["title"]
        assert about["hint"]
        assert about["source"].startswith("https://")
        assert set(about["needs"] or ()) <= set(SiteSettings.model_fields)
        SiteSettings.model_validate(profile)
