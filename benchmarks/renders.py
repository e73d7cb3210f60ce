"""Interventions asked of the render process, as pages ask them, by one person and by several at once.

    .venv/bin/python benchmarks/renders.py --store store --people 1 8 --each 30

Prints the median and 95th percentile in milliseconds, over edits that nobody asked for before, of four images
each. Target: a median under 500 ms for faces on two cores, with one and with eight people.
"""

import argparse
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from jobs.queue.client import Client


def edit(chance: random.Random, units: int = 128) -> str:
    """An ablation or insertion in layer3 that is very likely new."""
    chosen = sorted(chance.sample(range(units), 16))
    if chance.random() < 0.5:
        return f"ablate layer3 {','.join(map(str, chosen))}"
    return f"insert layer3 {','.join(f'{unit}={chance.uniform(1, 6):.3f}' for unit in chosen)} at 4-9:4-9"


def person(client: Client, generator: str, seed: int, each: int) -> list[float]:
    """One person's waits, in milliseconds."""
    chance = random.Random(seed)
    waits = []
    for _ in range(each):
        began = time.perf_counter()
        client.render(generator, edit(chance), chance.randrange(1000), [0, 1, 2, 3])
        waits.append((time.perf_counter() - began) * 1000)
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", default="store")
    parser.add_argument("--generator", default="faces")
    parser.add_argument("--people", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--each", type=int, default=30)
    options = parser.parse_args()
    client = Client.at(options.store)
    client.render(options.generator, "ablate layer3 0", 1, [0, 1, 2, 3])
    for people in options.people:
        with ThreadPoolExecutor(people) as pool:
            first = time.time_ns() % 10**9
            seeds = range(first, first + people)
            waits = pool.map(lambda seed: person(client, options.generator, seed, options.each), seeds)
            found = sorted(wait for one in waits for wait in one)
        tail = found[int(0.95 * len(found))]
        print(f"{people} people: median {statistics.median(found):.0f} ms, 95th percentile {tail:.0f} ms")


if __name__ == "__main__":
    main()
