"""Settings: each stands once, and is a keyword in Python and an option of the command line."""

import dataclasses

import pytest

from evar import config
from evar.base.errors import UsageError
from evar.cli.arguments import option_strings, parse


@pytest.fixture
def one_more(monkeypatch):
    """A setting that nobody knew, added in one line."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class More(config.Config):
        loudness: int = config.setting(3, "DB", "how loud", config.whole(1), shown="as recorded")

    monkeypatch.setattr(config, "Config", More)


def test_a_new_setting_is_an_option_and_a_keyword(one_more, capsys):
    assert "--loudness" in option_strings("eval")
    assert parse(["--task", "demo", "--loudness", "5"]).loudness == 5
    parse(["eval", "--help"])
    assert "--loudness DB how loud (default: as recorded)" in " ".join(capsys.readouterr().out.split())
    assert config.config_of({"loudness": "7"}).loudness == 7
    with pytest.raises(UsageError, match="loudness must be a whole number of at least 1, not '0'"):
        config.config_of({"loudness": 0})
    with pytest.raises(UsageError, match="unknown setting 'loud': did you mean loudness"):
        config.config_of({"loud": 1})


def test_every_setting_is_explained_with_its_unit():
    for field in dataclasses.fields(config.Config):
        assert field.metadata["unit"]
        assert field.metadata["help"]


def test_shots_rise_whatever_their_order_or_kind():
    assert config.Config(shots="8,1,2").shots == config.Config(shots=[8, 1, 2]).shots == (1, 2, 8)


@pytest.mark.parametrize("shots", ["0", "1,x", "1,,2", [2, -1], [4, 1, 4], [2.5]])
def test_numbers_of_shots_that_cannot_be_are_refused(shots):
    right = "hold each number once" if shots == [4, 1, 4] else "be whole numbers of at least 1, such as 1,2,4,8"
    with pytest.raises(UsageError, match=f"shots must {right}, not '"):
        config.Config(shots=shots)
