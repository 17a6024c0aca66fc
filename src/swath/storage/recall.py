"""Files on their way from tape: what is needed, what was asked for, how far it is, and the next step."""

from __future__ import annotations

import datetime as dt
import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from swath.model import (
    MissingObjectError,
    NotAllowedError,
    StoreError,
    SwathError,
    format_bytes,
)
from swath.storage.staging import (
    StageOrder,
    TapeFile,
    ask_for,
    by_store,
    look_up,
    split_states,
    tape_store,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


log = logging.getLogger("swath")
_RENEWED = 0.5
"""After this part of the time that files stay on disk they are asked for again."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Files that somebody needs, and how far they have come."""

    files: tuple[TapeFile, ...]
    """All that is needed, whether on tape or not."""
    lifetime_s: float
    """How long they are to stay on disk, seconds."""
    began: float
    """When they were asked for, seconds since 1970."""
    orders: tuple[StageOrder, ...] = ()
    """What was asked for; one of each store."""
    former: tuple[StageOrder, ...] = ()
    """What was asked for before somebody began again; kept until the files may go."""
    there: frozenset[str] = frozenset()
    """Addresses of those that can be read."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Addresses of those that cannot be had, with the reason."""
    away: Mapping[str, str] = field(default_factory=dict)
    """Stores that give no answer now, with what they say."""
    looked: float = 0.0
    """When stores were asked last, seconds since 1970."""
    answered: float = 0.0
    """When all stores had an answer last, seconds since 1970."""
    holds: bool = False
    """True: what is on disk already is asked for too, so that it stays."""
    is_released: bool = False
    """True when the files may go again."""

    @property
    def waiting(self) -> tuple[TapeFile, ...]:
        """Files that are not there yet, and may come."""
        return tuple(each for each in self.files if each.href not in self.there and each.href not in self.bad)

    @property
    def is_over(self) -> bool:
        """True when nothing is waited for."""
        return not self.waiting

    def order_of(self, store: str) -> StageOrder | None:
        """Give what a store was asked for."""
        return next((each for each in self.orders if each.store == store), None)

    def with_order(self, order: StageOrder) -> Recall:
        """Give it with another order for the same store."""
        others = tuple(each for each in self.orders if each.store != order.store)
        return replace(self, orders=(*others, order))

    def again(self) -> Recall:
        """Give it as if nothing had been asked for yet, but what was is to be released one day."""
        former = () if self.is_released else (*self.former, *self.orders)
        return Recall(self.files, self.lifetime_s, time.time(), former=former, holds=self.holds)

    def is_stale(self, now: float) -> bool:
        """Tell whether files may have gone from disk again, or were never kept there."""
        asked = [dt.datetime.fromisoformat(each.asked).timestamp() for each in self.orders]
        return self.is_released or now - min(asked, default=self.began) > self.lifetime_s

    def words(self) -> str:
        """Say how far it is.

        Examples
        --------
        >>> file = TapeFile("https://host/a", "archive", "a", 3_200_000_000)
        >>> Recall((file,), 3600.0, 0.0, there=frozenset({"https://host/a"})).words()
        'all 1 files are there'
        """
        waiting = self.waiting
        if not waiting:
            bad = f"; {len(self.bad)} cannot be had" if self.bad else ""
            return f"all {len(self.there)} files are there{bad}"
        known = sum(each.size for each in waiting)
        size = f" ({format_bytes(known)})" if known else ""
        said = f"waiting for {len(waiting)} of {len(self.files)} files from tape{size}"
        if self.orders:
            said += f"; asked {_time_words(self.began)}"
        for store, what in self.away.items():
            said += f"; {store} gives no answer now ({what})"
        return said

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {
            **{name: getattr(self, name) for name in ("lifetime_s", "began", "looked", "answered", "holds")},
            "is_released": self.is_released,
            "files": [asdict(each) for each in self.files],
            "orders": [each.to_dict() for each in self.orders],
            "former": [each.to_dict() for each in self.former],
            "there": sorted(self.there),
            "bad": dict(self.bad),
            "away": dict(self.away),
        }

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Recall:
        """Read it again."""
        return cls(
            **{
                **tree,
                "files": tuple(TapeFile(**each) for each in tree["files"]),
                "orders": tuple(StageOrder.from_dict(each) for each in tree["orders"]),
                "former": tuple(StageOrder.from_dict(each) for each in tree["former"]),
                "there": frozenset(tree["there"]),
            }
        )


def _time_words(seconds: float) -> str:
    then, now = (dt.datetime.fromtimestamp(each).astimezone() for each in (seconds, time.time()))
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def advance(
    recall: Recall, *, skip_bad: bool = True, save: Callable[[Recall], object] = lambda _: None
) -> Recall:
    """Ask for what was not asked for yet, and look how far the rest is: one request to each store.

    Parameters
    ----------
    recall : Recall
        What is needed.
    skip_bad : bool
        False: where files of a store cannot be had, its others are not asked for.
    save : callable of Recall
        Writes down what a store was asked for, before the next one is.

    Raises
    ------
    NotAllowedError
        A store refuses the request. One that does not answer, or refuses to tell of a request that it has
        taken, is told as being away.
    """
    away: dict[str, str] = {}
    try:
        recall = renewed(recall, save=save)
    except (StoreError, NotAllowedError) as error:
        log.warning("files from tape are not kept for longer yet: %s", error.what)
    for name, files in by_store(recall.waiting).items():
        order = recall.order_of(name)
        try:
            recall = _asked(recall, files, skip_bad=skip_bad) if order is None else _polled(recall, order)
        except (StoreError, NotAllowedError) as error:
            if isinstance(error, NotAllowedError) and order is None:
                raise
            away[name] = error.what.removeprefix(f"storage {name!r}: ")
        if recall.order_of(name) != order:
            save(recall)
    now = time.time()
    return replace(recall, away=away, looked=now, answered=recall.answered if away else now)


def renewed(recall: Recall, *, save: Callable[[Recall], object] = lambda _: None) -> Recall:
    """Ask again for files that have come, when half of the time is over that they stay on disk.

    What was asked for earlier is let go after that, so that the files are kept without a gap.

    Raises
    ------
    StoreError, NotAllowedError
        A store does not take the request: what was asked for earlier holds.
    """
    now = dt.datetime.now(dt.UTC)
    for order in recall.orders:
        mine = {each.key: each.href for each in recall.files if each.store == order.store}
        has_come = any(mine[key] in recall.there for key in order.keys)
        if not has_come or order.age_s(now) < _RENEWED * order.lifetime_s:
            continue
        keys = [key for key in order.keys if mine[key] not in recall.bad]
        fresh = ask_for(order.store, keys, dt.timedelta(seconds=order.lifetime_s), now=now)
        recall = replace(recall.with_order(fresh), former=(*recall.former, order))
        save(recall)
        if _ended(order):
            recall = replace(recall, former=tuple(each for each in recall.former if each != order))
            save(recall)
    return recall


def _ended(order: StageOrder) -> bool:
    """Let go what a request has brought; False where the store does not take that now."""
    try:
        store = tape_store(order.store)
        store.cancel_stage(order.request)
        store.release([], request=order.request)
    except MissingObjectError:
        return True
    except SwathError:
        return False
    return True


def _asked(recall: Recall, files: Sequence[TapeFile], *, skip_bad: bool, again: int = 0) -> Recall:
    """Look where files of one store are, and ask for those on tape."""
    census = look_up(files)
    bad = {file.href: why for file, why in census.bad.items()}
    there = {each.href for each in census.online}
    recall = replace(recall, bad={**recall.bad, **bad}, there=recall.there | there)
    wanted = census.on_tape or (census.to_hold if recall.holds else ())
    if not wanted or (bad and not skip_bad):
        return recall
    # With those that are on disk for now: they would go while the others are waited for.
    keys = [each.key for each in census.to_hold]
    lifetime = dt.timedelta(seconds=recall.lifetime_s)
    return recall.with_order(
        ask_for(files[0].store, keys, lifetime, now=dt.datetime.now(dt.UTC), again=again)
    )


def _polled(recall: Recall, order: StageOrder) -> Recall:
    mine = {each.key: each for each in recall.files if each.store == order.store}
    try:
        states = tape_store(order.store).stage_states(order.request)
    except MissingObjectError:
        waiting = [each for each in recall.waiting if each.store == order.store]
        if order.again:
            lost = dict.fromkeys((each.href for each in waiting), "the store forgets the request for it")
            return replace(recall, bad={**recall.bad, **lost})
        held = [mine[key] for key in order.keys]  # also those that had come: nothing keeps them now
        recall = replace(recall, there=recall.there - {each.href for each in held})
        return _asked(recall, held, skip_bad=True, again=order.again + 1)
    split = split_states(order, states)
    failed = {mine[key].href: why for key, why in split.failed.items() if mine[key].href not in recall.there}
    there = {mine[key].href for key in split.there}
    # What was never asked for is not in the order, and is waited for by nobody.
    return replace(recall, there=recall.there | there, bad={**recall.bad, **failed})


def let_go(recall: Recall) -> Recall:
    """Cancel what has not come, and let the rest go from disk: what this recall has asked for alone."""
    away = {}
    for order in (*recall.orders, *recall.former):
        try:
            store = tape_store(order.store)
            if not recall.is_over or recall.bad or order in recall.former:
                store.cancel_stage(order.request)
            store.release([], request=order.request)
        except MissingObjectError:
            continue
        except SwathError as error:  # its lifetime ends it
            away[order.store] = error.what
    return replace(recall, away=away, is_released=not away)
