"""odc-geo, without Dask and with it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from swath.cube.odc_geo import GeoBox
import odc.geo.math
print("dask" in sys.modules, odc.geo.math.is_dask_collection([1]))
import dask.array
print(odc.geo.math.is_dask_collection(dask.array.ones(3)), odc.geo.math.is_dask_collection([1]))
"""


def test_dask_is_not_loaded_and_its_arrays_are_known_once_it_is():
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "False", "True", "False"]
