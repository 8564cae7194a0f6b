"""Reading ahead: what comes next is loaded in threads while the present is worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(load: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """`map(load, items)`, as many items ahead as there are threads; with none it is that map."""
    if not threads:
        yield from map(load, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from in_order(pool, load, items, threads)


def in_order(
    pool: Executor, load: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """`map(load, items)` by a pool, at most so many items ahead, so that no results pile up."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(load, item))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
