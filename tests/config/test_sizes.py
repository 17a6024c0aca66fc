"""Durations as Slurm writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.config import format_slurm_time, parse_slurm_time
from swath.model import InputError


@given(st.integers(0, 400 * 86400))
def test_what_is_written_is_read_back(seconds):
    assert parse_slurm_time(format_slurm_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 300),
        ("5:30", 330),
        ("1:00:00", 3600),
        ("2-0", 172800),
        ("1-02:30", 95400),
        ("1-02:03:04", 93784),
    ],
)
def test_all_forms_of_the_manual(text, seconds):
    assert parse_slurm_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1h", "-5", "1:2:3:4", "1-"])
def test_other_forms_are_refused(text):
    with pytest.raises(InputError, match="is no duration"):
        parse_slurm_time(text)
