"""Which pixels are good: rules on a quality band, by values, by bits or by range."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from swath.cube.families import family_of
from swath.cube.sources import band_sources, find_band
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from swath.cube.sources import Item


class BitField(BaseModel):
    """Some bits of a quality band, read as one number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(ge=0, le=63, description="Lowest bit; 0 is the least significant one.")
    count: int = Field(default=1, ge=1, le=32, description="How many bits.")
    values: tuple[int, ...] = Field(description="Numbers that mean a good pixel.")


class ValidRule(BaseModel):
    """What makes a pixel good; all that is said must hold, and a missing quality pixel is never good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    band: str = Field(description="Name of the quality band, such as SCL or QA_PIXEL.")
    values: tuple[float, ...] | None = Field(default=None, description="Numbers that mean a good pixel.")
    not_values: tuple[float, ...] = Field(default=(), description="Numbers that mean a bad pixel.")
    bits_clear: tuple[int, ...] = Field(default=(), description="Bits that must be 0; 0 is the lowest.")
    bits: tuple[BitField, ...] = Field(default=(), description="Groups of bits, read as numbers.")
    min: float | None = Field(default=None, description="Smallest good number.")
    max: float | None = Field(default=None, description="Largest good number.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = (self.values, self.not_values, self.bits_clear, self.bits, self.min, self.max)
        if all(each in (None, ()) for each in said):
            msg = "a rule needs at least one of values, not_values, bits_clear, bits, min, max"
            raise ValueError(msg)
        return self

    def apply(self, quality: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which pixels are good.

        Parameters
        ----------
        quality : array of any shape, stored numbers of the quality band

        Returns
        -------
        array of the same shape, bool
            True where the pixel is good.

        Examples
        --------
        >>> ValidRule(band="QA", bits_clear=(1,)).apply(np.array([0, 1, 2, 3])).tolist()
        [True, True, False, False]
        """
        if quality.dtype.kind in "u" and quality.dtype.itemsize <= 2:
            return np.asarray(_table(self, quality.dtype.str)[quality])
        return self._apply(quality)

    def _apply(self, quality: NDArray[Any]) -> NDArray[np.bool_]:
        good = np.ones(quality.shape, bool)
        if self.values is not None:
            good &= np.isin(quality, self.values)
        if self.not_values:
            good &= ~np.isin(quality, self.not_values)
        if self.bits_clear or self.bits:
            whole = quality.astype(np.int64)
            mask = sum({1 << bit for bit in self.bits_clear})
            good &= (whole & mask) == 0
            for each in self.bits:
                good &= np.isin((whole >> each.first) & ((1 << each.count) - 1), each.values)
        if self.min is not None:
            good &= quality >= self.min
        if self.max is not None:
            good &= quality <= self.max
        return good


@lru_cache(maxsize=64)
def _table(rule: ValidRule, dtype: str) -> NDArray[np.bool_]:
    """Apply a rule to every number of a small type: looking up is faster than computing."""
    return rule._apply(np.arange(np.iinfo(dtype).max + 1, dtype=dtype))


def parse_rule(rule: Mapping[str, Any] | ValidRule) -> ValidRule:
    """Check a rule that a user wrote.

    Raises
    ------
    InputError
        A key is not known or a value is not of its type; the first mistake is named.
    """
    if isinstance(rule, ValidRule):
        return rule
    try:
        return ValidRule.model_validate(rule)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"]) or "the rule"
        raise InputError(
            f"valid: {where}: {first['msg']}, got {rule!r}",
            fix='write it like {"band": "SCL", "values": [4, 5, 7]}', known=ValidRule.model_fields,
        ) from error  # fmt: skip


def rule_for(item: Item, own: Mapping[str, Mapping[str, Any]] | None = None) -> ValidRule | None:
    """Find the rule that holds for an item where the user names none.

    Parameters
    ----------
    item : dict
        The STAC item.
    own : mapping of collection id to rule, optional
        The user's own rules (``[valid]`` in the settings); they win over the built-in ones.

    Returns
    -------
    ValidRule or None
        None where nothing is known: every pixel with data counts as good.
    """
    mine = (own or {}).get(str(item.get("collection")))
    if mine is not None:
        return parse_rule(mine)
    sources = band_sources(item)
    for rule in family_of(item).valid:
        if find_band(sources, rule["band"]) is not None:
            return parse_rule(rule)
    return None


def rule_bands(rules: Sequence[ValidRule | None]) -> tuple[str, ...]:
    """List the quality bands that rules need, each once."""
    return tuple(dict.fromkeys(each.band for each in rules if each is not None))
