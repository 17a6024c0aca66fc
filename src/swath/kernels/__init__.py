"""Fast array functions for time series: arrays in, arrays out; numpy and numba alone, no I/O."""

from swath.kernels.breaks import Breaks, Stability, breakpoints, stability_test
from swath.kernels.composite import REDUCERS, aggregate, composite, medoid, weighted_median
from swath.kernels.convolve import convolve
from swath.kernels.despike import hampel, percentile_band
from swath.kernels.fill import linear, swag
from swath.kernels.harmonic import Harmonic, harmonic
from swath.kernels.phenology import Seasons, phenology
from swath.kernels.smooth import savitzky_golay, whittaker, whittaker_auto
from swath.kernels.trend import mann_kendall, theil_sen, theil_sen_interval

__all__ = [
    "REDUCERS",
    "Breaks",
    "Harmonic",
    "Seasons",
    "Stability",
    "aggregate",
    "breakpoints",
    "composite",
    "convolve",
    "hampel",
    "harmonic",
    "linear",
    "mann_kendall",
    "medoid",
    "percentile_band",
    "phenology",
    "savitzky_golay",
    "stability_test",
    "swag",
    "theil_sen",
    "theil_sen_interval",
    "weighted_median",
    "whittaker",
    "whittaker_auto",
]
