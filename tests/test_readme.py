"""What the README shows is what comes out."""

from evar.data.task import CORE, load_task
from tests.readme import BLOCK, README, block


def test_the_leaderboard_in_the_readme_is_what_the_command_prints():
    shown = BLOCK.findall(README.read_text(encoding="utf-8"))
    assert shown == [block()]


def test_the_room_that_stores_take_is_rows_times_seconds_of_16_bit_samples_at_16_khz():
    text = README.read_text(encoding="utf-8")
    tasks = {name: load_task(name) for name in CORE}
    taken = {name: task.expects.rows * task.seconds * 16_000 * 2 / 1e9 for name, task in tasks.items()}
    assert f"the five tasks take {sum(taken.values()):.0f} GB there" in text
    assert [name for name in CORE if f" {name} {taken[name]:.1f}" not in text] == []
