"""Moving mode and minimum mapping unit against loops over pixels, and across the borders of tiles."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from odse.errors import LearnError
from odse.learn.postprocess import halo_px, moving_mode, sieve

maps = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([1, 2, 7, 255]))
series = arrays(np.uint8, st.tuples(st.integers(1, 7), st.just(2), st.just(2)), elements=st.sampled_from([1, 2, 7, 255]))  # fmt: skip


@given(series, st.sampled_from([1, 3, 5]))
def test_mode_equals_a_loop(stack, width) -> None:
    ours = moving_mode(stack, width=width)
    for t, y, x in np.ndindex(*stack.shape):
        own = stack[t, y, x]
        counts = Counter(v for v in stack[max(0, t - width // 2) : t + width // 2 + 1, y, x].tolist() if v != 255)
        if own == 255:
            assert ours[t, y, x] == 255
            continue
        most = max(counts.values())
        wanted = own if counts[own] == most else min(v for v, n in counts.items() if n == most)
        assert ours[t, y, x] == wanted


def patches(field: np.ndarray) -> list[list[tuple[int, int]]]:
    seen, found = set(), []
    for start in np.ndindex(*field.shape):
        if start in seen or field[start] == 255:
            continue
        queue, members = deque([start]), []
        seen.add(start)
        while queue:
            y, x = queue.popleft()
            members.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= near[0] < field.shape[0] and 0 <= near[1] < field.shape[1]
                if inside and near not in seen and field[near] == field[start]:
                    seen.add(near)
                    queue.append(near)
        found.append(members)
    return found


@given(maps, st.integers(1, 6))
def test_sieve_equals_a_loop(field, minimum) -> None:
    wanted = field.copy()
    for members in patches(field):
        if len(members) >= minimum:
            continue
        votes: Counter[int] = Counter()
        for y, x in members:
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= near[0] < field.shape[0] and 0 <= near[1] < field.shape[1]
                if inside and near not in members and field[near] != 255:
                    votes[int(field[near])] += 1
        if votes:
            most = max(votes.values())
            for place in members:
                wanted[place] = min(v for v, n in votes.items() if n == most)
    assert np.array_equal(sieve(field, minimum_px=minimum), wanted)


def test_tiles_with_a_halo_equal_the_whole() -> None:
    rng = np.random.default_rng(3)
    field = rng.choice(np.array([1, 2, 3, 255], np.uint8), (60, 60), p=[0.4, 0.3, 0.25, 0.05])
    for minimum in (2, 5, 9):
        halo, whole = halo_px(minimum), sieve(field, minimum_px=minimum)
        for top in range(0, 60, 20):
            for left in range(0, 60, 20):
                y0, x0 = max(0, top - halo), max(0, left - halo)
                part = sieve(field[y0 : top + 20 + halo, x0 : left + 20 + halo], minimum_px=minimum)
                assert np.array_equal(
                    part[top - y0 :, left - x0 :][:20, :20], whole[top : top + 20, left : left + 20]
                ), (minimum, top, left)


def test_refused() -> None:
    field = np.ones((1, 2, 2), np.uint8)
    with pytest.raises(
        LearnError, match="cannot filter the class maps, because the width is 2 years; give an odd number"
    ):
        moving_mode(field, width=2)
    with pytest.raises(
        LearnError, match="cannot filter the class map, because the minimum is 0 pixels; give at least 1"
    ):
        sieve(field[0], minimum_px=0)
