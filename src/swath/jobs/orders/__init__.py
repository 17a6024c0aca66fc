"""Assets that are made when somebody asks for them: recipes, who makes what just now, and what is kept."""

from swath.jobs.orders.asking import order, order_missing, raise_failed
from swath.jobs.orders.cache import OrderCache
from swath.jobs.orders.ledger import Ledger, OrderRow
from swath.jobs.orders.making import Made, Maker
from swath.jobs.orders.recipes import (
    Recipe,
    check_recipe,
    read_recipes,
    with_placeholders,
    with_recipe,
    without_recipe,
)

__all__ = [
    "Ledger",
    "Made",
    "Maker",
    "OrderCache",
    "OrderRow",
    "Recipe",
    "check_recipe",
    "order",
    "order_missing",
    "raise_failed",
    "read_recipes",
    "with_placeholders",
    "with_recipe",
    "without_recipe",
]
