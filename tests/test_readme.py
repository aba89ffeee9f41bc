"""What the README shows is what comes out."""

from tests.readme import BLOCK, README, block


def test_the_leaderboard_in_the_readme_is_what_the_command_prints():
    shown = BLOCK.findall(README.read_text(encoding="utf-8"))
    assert shown == [block()]
