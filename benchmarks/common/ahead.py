"""Reading ahead: what comes next is loaded in threads while the present is worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(load: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """`map(load, items)`, as many items ahead as there are threads; with none it is that map."""
    if not threads:
        yield from map(load, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
