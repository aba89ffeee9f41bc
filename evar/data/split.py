"""Splitting groups of clips over parts (train, valid, test, or folds), each class in the same shares everywhere.

No group is ever divided. Nothing is random: the same clips give the same split on every machine. Classes with at least
as many groups as parts are in every part, as far as groups of several classes allow; a class with fewer goes to train,
or to as many folds as it has groups.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping

Clips = Mapping[str, int]  # of one group, by class


def split_groups(groups: Mapping[str, Clips], shares: Mapping[str, float]) -> dict[str, str]:
    """The part of each group, given its clips by class. shares: of all clips, by part; they add up to 1.

    First each part gets, class by class, the smallest group that gives it that class. Then each group, the largest
    first, goes where it most lowers the squared error sum_class (clips there / clips of the class - share)^2; of equal
    places, to the emptier one.
    """
    totals: Counter[str] = Counter()
    for clips in groups.values():
        totals.update(clips)
    places = _one_of_each_class(groups, shares)
    have: dict[str, Counter[str]] = {part: Counter() for part in shares}
    filled: Counter[str] = Counter()
    for group, part in places.items():
        have[part].update(groups[group])
        filled[part] += sum(groups[group].values())
    for group in sorted(groups.keys() - places.keys(), key=lambda name: (-sum(groups[name].values()), _shuffled(name))):
        clips = groups[group]
        costs = {
            part: (_cost(clips, have[part], totals, share), filled[part] / share) for part, share in shares.items()
        }
        part = min(costs, key=lambda name: costs[name])
        places[group] = part
        have[part].update(clips)
        filled[part] += sum(clips.values())
    return places


def _one_of_each_class(groups: Mapping[str, Clips], shares: Mapping[str, float]) -> dict[str, str]:
    """The groups that give each part its first clips of a class; classes of the fewest groups choose first."""
    of_class: dict[str, list[str]] = defaultdict(list)
    for group, clips in groups.items():
        for name in clips:
            of_class[name].append(group)
    places: dict[str, str] = {}
    small_first = sorted(shares, key=lambda part: shares[part])
    for _, members in sorted(of_class.items(), key=lambda item: (len(item[1]), item[0])):
        if len(members) < len(shares):
            continue
        there = {places[group] for group in members if group in places}
        free = sorted(set(members) - places.keys(), key=lambda group: (sum(groups[group].values()), _shuffled(group)))
        places |= zip(free, [part for part in small_first if part not in there], strict=False)
    return places


def _cost(clips: Clips, have: Clips, totals: Clips, share: float) -> float:
    """How much `clips` add to the part's squared error: (h + c - s)^2 - (h - s)^2 = c (2 (h - s) + c) for each class.

    Rounded, so that equal places are equal.
    """
    added = 0.0
    for name, count in clips.items():
        more, there = count / totals[name], have.get(name, 0) / totals[name]
        added += more * (2 * (there - share) + more)
    return round(added, 9)


def _shuffled(name: str) -> str:
    """An order that has nothing to do with names, which often say when and by whom a clip was recorded."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def dealt(group: str, shares: Mapping[str, int]) -> str:
    """The part of a group by its name alone, so that it stays where it is whatever else is there or lacks.

    shares: of the groups, by part, in any unit. u = the first 8 bytes of SHA-256(group) / 2^64 is uniform in [0, 1);
    the part is the first, in the order of `shares`, whose cumulative share of the total is above u.
    """
    place = int.from_bytes(hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()[:8]) * sum(shares.values())
    end = 0
    for part, share in shares.items():
        end += share << 64
        if place < end:
            return part
    raise AssertionError("a place is always below the total")
