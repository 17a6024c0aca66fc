"""The compiled loops of :func:`swath.kernels.savitzky_golay`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]

# Measured with 138 images, 50 % gaps, window 15: 64 pixels 190, 128 pixels 215, 192 pixels 252, 256 pixels
# 235 million pixel-dates per CPU-second.
WIDTH = 192
"""Pixels of a block. A row of the ring holds the values first (0 in a gap), then 1 where one is."""
_INF = np.float32(np.inf)
# What a row of the state holds, each for all pixels: the smoothed value, sums of u^k y, and sums of u^k.
_VALUE, _R0, _R1, _R2, _S0, _S1, _S2, _S3, _S4 = (slot * WIDTH for slot in range(9))
_STATE = 9 * WIDTH


@compiled
def polynomial_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    order: int,
    coefficients: Doubles,
    keep: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    out: Columns,
) -> None:
    """Smooth columns ``begin:end`` into those from ``at`` on, by polynomials in a moving window.

    ``coefficients`` (time, window) hold where the window has no gap; a pixel with a gap in it solves its own
    normal equations. Which of the two depends on that pixel alone, not on those beside it.
    """
    times, window = coefficients.shape
    half = window // 2
    # One row more than the window has: that which was left last.
    ring = np.zeros((window + 1, 2 * WIDTH), np.float64)
    gaps = np.zeros(window + 1, np.int64)
    state = np.empty(_STATE, np.float64)
    system = np.empty(((order + 1) * (order + 3) + 2 * order + 1, WIDTH), np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        loaded = 0
        moved = -2  # the time that the moments were last moved to
        for i in range(times):
            start = min(max(i - half, 0), times - window)
            while loaded < start + window:
                gaps[loaded % (window + 1)] = _take(series[loaded, first:last], ring[loaded % (window + 1)])
                loaded += 1
            _weigh(ring, start, coefficients[i], state)
            with_gaps = 0
            for j in range(start, start + window):
                with_gaps += gaps[j % (window + 1)]
            if with_gaps > 0 and order == 2 and window == 2 * half + 1 and start == i - half:
                if moved != i - 1:
                    _begin_moments(ring, start, window, state)
                else:
                    old = ring[(start - 1) % (window + 1)]
                    _move_moments(old, ring[(i + half) % (window + 1)], half, state)
                moved = i
                _add_pairs(ring, i, half, state)
                _solve_parabola(window, state)
            elif with_gaps > 0:
                _fit(ring, start, window, i, order, system, state)
            _write(series[i, first:last], state, keep, out[i, to : to + last - first])


@compiled
def _take(row: Columns, target: Doubles) -> int:
    """Copy a row as values and weights, and count its gaps; beyond its end are none."""
    gaps = 0
    for p in range(row.size):
        clear = abs(row[p]) < _INF
        target[p] = np.float64(row[p] if clear else np.float32(0.0))
        target[p + WIDTH] = 1.0 if clear else 0.0
    for p in range(row.size):
        gaps += 0 if abs(row[p]) < _INF else 1
    for p in range(row.size, WIDTH):
        target[p] = 0.0
        target[p + WIDTH] = 0.0
    return gaps


@compiled
def _weigh(ring: Doubles, start: int, taps: Doubles, state: Doubles) -> None:
    """Add up the values of a window, each with its fixed coefficient."""
    size = ring.shape[0]
    # Four taps in one pass save three of four stores; those beyond the last count nothing.
    for k in range(0, taps.size, 4):
        one = ring[(start + k) % size]
        two = ring[(start + k + 1) % size]
        three = ring[(start + k + 2) % size]
        four = ring[(start + k + 3) % size]
        a = taps[k]
        b = taps[k + 1] if k + 1 < taps.size else 0.0
        c = taps[k + 2] if k + 2 < taps.size else 0.0
        d = taps[k + 3] if k + 3 < taps.size else 0.0
        if k == 0:
            for p in range(WIDTH):
                state[p] = (a * one[p] + b * two[p]) + (c * three[p] + d * four[p])
        else:
            for p in range(WIDTH):
                state[p] += (a * one[p] + b * two[p]) + (c * three[p] + d * four[p])


@compiled
def _begin_moments(ring: Doubles, start: int, window: int, state: Doubles) -> None:
    """Add up u^0 to u^4 over the observations of a window, where u is the distance to its middle."""
    for k in range(_S0, _STATE):
        state[k] = 0.0
    for j in range(window):
        row = ring[(start + j) % (window + 1)]
        u = np.float64(j - window // 2)
        for p in range(WIDTH):
            state[_S0 + p] += row[p + WIDTH]
            state[_S1 + p] += u * row[p + WIDTH]
            state[_S2 + p] += u * u * row[p + WIDTH]
            state[_S3 + p] += u * u * u * row[p + WIDTH]
            state[_S4 + p] += u * u * u * u * row[p + WIDTH]


@compiled
def _move_moments(old: Doubles, new: Doubles, half: int, state: Doubles) -> None:
    """Move the window on by one: u becomes u - 1, one row leaves and one comes. All are whole numbers."""
    u = np.float64(half)
    v = u + 1.0
    for p in range(WIDTH):
        leaves = old[p + WIDTH]
        comes = new[p + WIDTH]
        s0 = state[_S0 + p]
        s1 = state[_S1 + p]
        s2 = state[_S2 + p]
        s3 = state[_S3 + p]
        s4 = state[_S4 + p]
        state[_S0 + p] = s0 + (comes - leaves)
        state[_S1 + p] = s1 - s0 + (u * comes + v * leaves)
        state[_S2 + p] = s2 - 2.0 * s1 + s0 + (u * u * comes - v * v * leaves)
        state[_S3 + p] = s3 - 3.0 * (s2 - s1) - s0 + (u * u * u * comes + v * v * v * leaves)
        state[_S4 + p] = (
            s4 - 4.0 * (s3 + s1) + 6.0 * s2 + s0 + (u * u * u * u * comes - v * v * v * v * leaves)
        )


@compiled
def _add_pairs(ring: Doubles, i: int, half: int, state: Doubles) -> None:
    """Add up y, u y and u^2 y over a window around ``i``, from its middle outwards."""
    size = ring.shape[0]
    middle = ring[i % size]
    for p in range(WIDTH):
        state[_R0 + p] = middle[p]
        state[_R1 + p] = 0.0
        state[_R2 + p] = 0.0
    for k in range(1, half + 1, 2):
        left = ring[(i - k) % size]
        right = ring[(i + k) % size]
        farther = ring[(i - k - 1) % size]
        farthest = ring[(i + k + 1) % size]
        u = np.float64(k)
        v = u + 1.0
        more = 1.0 if k < half else 0.0
        for p in range(WIDTH):
            both = left[p] + right[p]
            and_both = more * (farther[p] + farthest[p])
            state[_R0 + p] += both + and_both
            state[_R1 + p] += u * (right[p] - left[p]) + (v * more) * (farthest[p] - farther[p])
            state[_R2 + p] += u * u * both + v * v * and_both


@compiled
def _solve_parabola(window: int, state: Doubles) -> None:
    """Give the value at u = 0 of the parabola, line or mean that the observations allow (Cramer's rule).

    The moments are whole numbers, so the determinants are exact where the window is not hundreds wide.
    """
    for p in range(WIDTH):
        s0 = state[_S0 + p]
        s1 = state[_S1 + p]
        s2 = state[_S2 + p]
        s3 = state[_S3 + p]
        s4 = state[_S4 + p]
        r0 = state[_R0 + p]
        r1 = state[_R1 + p]
        a = s2 * s4 - s3 * s3
        b = s2 * s3 - s1 * s4
        c = s1 * s3 - s2 * s2
        top = r0 * a + r1 * b + state[_R2 + p] * c
        bottom = s0 * a + s1 * b + s2 * c
        # All that a choice may need is loaded before: a load that depends on it would be a branch.
        line = r0 * s2 - r1 * s1
        spread = s0 * s2 - s1 * s1
        top = top if s0 > 2.0 else line
        bottom = bottom if s0 > 2.0 else spread
        top = top if s0 > 1.0 else r0
        bottom = bottom if s0 > 1.0 else s0
        fixed = state[p]
        value = top / bottom
        state[p] = fixed if s0 == window else value


@compiled
def _fit(ring: Doubles, start: int, window: int, i: int, order: int, system: Doubles, state: Doubles) -> None:
    """Give the value at time ``i`` of the polynomial of any order that the observations allow.

    Rows of ``system`` are those of the normal equations, of which the upper half is used, each with the right
    side and the powers of u at ``i``; then sums of u^k, the first of which counts the observations.
    Elimination turns them into sums over orthogonal polynomials, where a lower order is the same cut short.
    """
    across = order + 3
    middle = 0.5 * (window - 1)
    unit = 1.0 / max(middle, 1.0)
    moments = system[(order + 1) * across :]
    for k in range(system.shape[0]):
        for p in range(WIDTH):
            system[k, p] = 0.0
    for j in range(0, window, 4):
        a = 1.0
        b = 1.0 if j + 1 < window else 0.0
        c = 1.0 if j + 2 < window else 0.0
        d = 1.0 if j + 3 < window else 0.0
        for k in range(2 * order + 1):
            _add_rows(ring, start + j, WIDTH, a, b, c, d, moments[k])
            if k <= order:
                _add_rows(ring, start + j, 0, a, b, c, d, system[k * across + order + 1])
            a *= (j - middle) * unit
            b *= (j + 1 - middle) * unit
            c *= (j + 2 - middle) * unit
            d *= (j + 3 - middle) * unit
    power = 1.0
    for k in range(order + 1):
        for to in range(k, order + 1):
            entry = system[k * across + to]
            moment = moments[k + to]
            for p in range(WIDTH):
                entry[p] = moment[p]
        entry = system[k * across + order + 2]
        for p in range(WIDTH):
            entry[p] = power
        power *= (i - start - middle) * unit
    _sum_up(system, order, window, state)


@compiled
def _add_rows(
    ring: Doubles, first: int, part: int, a: float, b: float, c: float, d: float, target: Doubles
) -> None:
    """Add four rows of the ring, their values (part 0) or weights, each times a factor."""
    size = ring.shape[0]
    one = ring[first % size, part:]
    two = ring[(first + 1) % size, part:]
    three = ring[(first + 2) % size, part:]
    four = ring[(first + 3) % size, part:]
    for p in range(WIDTH):
        target[p] += (a * one[p] + b * two[p]) + (c * three[p] + d * four[p])


@compiled
def _eliminate(target: Doubles, pivot: Doubles, above: Doubles, row: Doubles) -> None:
    """Take a row off another, so often that what is below the pivot becomes 0."""
    for p in range(WIDTH):
        target[p] -= above[p] * pivot[p] * row[p]


@compiled
def _sum_up(system: Doubles, order: int, window: int, state: Doubles) -> None:
    """Solve the system; a window without a gap keeps the value of its fixed coefficients."""
    across = order + 3
    count = system[(order + 1) * across]
    for p in range(WIDTH):
        state[_R0 + p] = 0.0 if count[p] > 0.0 else np.nan
    for k in range(order + 1):
        pivot = system[k * across + k]
        fewest = np.float64(k)
        for p in range(WIDTH):
            inverse = 1.0 / pivot[p]
            pivot[p] = inverse if count[p] > fewest else 0.0
        for lower in range(k + 1, order + 1):
            above = system[k * across + lower]
            for to in range(lower, across):
                _eliminate(system[lower * across + to], pivot, above, system[k * across + to])
        right = system[k * across + order + 1]
        power = system[k * across + order + 2]
        for p in range(WIDTH):
            state[_R0 + p] += right[p] * power[p] * pivot[p]
    for p in range(WIDTH):
        fixed = state[p]
        value = state[_R0 + p]
        state[p] = fixed if count[p] == window else value


@compiled
def _write(row: Columns, state: Doubles, keep: bool, target: Columns) -> None:  # noqa: FBT001
    """Write the smoothed values of a row, or its observations where they are kept."""
    for p in range(row.size):
        value = np.float32(state[p])
        observed = row[p] if abs(row[p]) < _INF else value
        target[p] = observed if keep else value
