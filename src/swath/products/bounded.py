"""How large a formula's value can get, decided from the formula alone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

type Monomial = tuple[tuple[str, float], ...]
type Polynomial = dict[Monomial, float]


def bound_of(formula: str, constants: Mapping[str, float]) -> float | None:
    """Bound the absolute value of a ratio for all values of its bands from 0 on.

    Both sides of the outermost division are multiplied out. Where every term above the line also stands
    below it, the ratio of any two such terms' factors bounds the whole: |a N - b R| / (c N + d R) is at
    most the larger of a / c and b / d.

    Parameters
    ----------
    formula : str
        Arithmetic on band letters and constants, as spyndex writes it.
    constants : mapping of letter to float
        The value of each letter that is no band.

    Returns
    -------
    float or None
        None where the formula has another shape or no bound.

    Examples
    --------
    >>> bound_of("(N-R)/(N+R)", {}), bound_of("(1.0+L)*(N-R)/(N+R+L)", {"L": 0.5})
    (1.0, 1.5)
    >>> bound_of("N/R", {}), bound_of("(G-R)/(G+R-B)", {})
    (None, None)
    """
    tree = ast.parse(formula, mode="eval").body
    if not (isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div)):
        return None
    above, below = _expand(tree.left, constants), _expand(tree.right, constants)
    if not above or not below or min(below.values()) < 0:
        return None
    if any(below.get(term, 0.0) == 0.0 for term in above):
        return None
    return max(abs(factor) / below[term] for term, factor in above.items())


def _expand(node: ast.expr, constants: Mapping[str, float]) -> Polynomial | None:
    """Multiply a formula out; None where it is no polynomial."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return {(): float(node.value)}
    if isinstance(node, ast.Name):
        constant = constants.get(node.id)
        return {((node.id, 1.0),): 1.0} if constant is None else _plus({}, {(): constant})
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _expand(node.operand, constants)
        return None if inner is None else _times(inner, {(): -1.0})
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _expand(node.left, constants), _expand(node.right, constants)
    if left is None or right is None:
        return None
    return _combine(node.op, left, right)


def _combine(op: ast.operator, left: Polynomial, right: Polynomial) -> Polynomial | None:
    match op:
        case ast.Add():
            return _plus(left, right)
        case ast.Sub():
            return _plus(left, _times(right, {(): -1.0}))
        case ast.Mult():
            return _times(left, right)
        case ast.Div() if len(right) == 1:
            ((term, factor),) = right.items()
            return _times(left, {tuple((name, -power) for name, power in term): 1 / factor})
        case ast.Pow() if set(right) == {()}:
            return _power(left, right[()])
    return None


def _plus(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for term, factor in right.items():
        total[term] = total.get(term, 0.0) + factor
    return {term: factor for term, factor in total.items() if abs(factor) > 1e-12}


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    product: Polynomial = {}
    for one, a in left.items():
        for two, b in right.items():
            powers = dict(one)
            for name, power in two:
                powers[name] = powers.get(name, 0.0) + power
            term = tuple(sorted((name, power) for name, power in powers.items() if power))
            product = _plus(product, {term: a * b})
    return product


def _power(base: Polynomial, power: float) -> Polynomial | None:
    if len(base) == 1:
        ((term, factor),) = base.items()
        if factor < 0:
            return None
        return {tuple((name, each * power) for name, each in term): factor**power}
    if power in (1.0, 2.0, 3.0):
        product = base
        for _ in range(int(power) - 1):
            product = _times(product, base)
        return product
    return None
