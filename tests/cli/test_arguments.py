"""Arguments: every option explained, every mistake one line with what would have been right."""

import re

import pytest

from evar.base.errors import UsageError
from evar.cli import main
from evar.cli.arguments import option_strings, parse, verb_names

OPTIONS_OF_EVAL = (
    "--task --encoder --weights --probe --data --results --cache --device --precision --batch-size --workers --seed "
    "--limit --min-coverage --json"
)


def test_eval_has_the_options_that_are_promised():
    assert set(OPTIONS_OF_EVAL.split()) <= set(option_strings("eval"))


@pytest.mark.parametrize("verb", verb_names())
def test_help_explains_every_option(verb, capsys):
    assert main([verb, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in option_strings(verb):
        assert option in text
    if verb != "cache":
        for option in set(option_strings(verb)) - {"--help", "--version", "--task", "--min-coverage", "--precision"}:
            described = text.partition(f"  {option}")[2] or text[text.rindex(option) :]
            assert "(default:" in described, option


def test_without_a_verb_eval_is_meant():
    assert parse(["--task", "us8k"]).verb == "eval"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evall --task us8k", "unknown verb 'evall': did you mean eval"),
        ("--taks us8k", "unknown option of evar eval '--taks': did you mean --task"),
        ("--task us8k --see 3", "unknown option of evar eval '--see': did you mean --seed"),
        ("--task us8k gtzan", "'gtzan' belongs to no option"),
        ("--task", "argument --task: expected one argument"),
        ("--task us8k --batch-size 0", "--batch-size: must be auto or a whole number of at least 1, not '0'"),
        ("--task us8k --batch-size atuo", "--batch-size: must be auto or a whole number of at least 1, not 'atuo'"),
        ("--task us8k --workers -2", "--workers: "),
        ("--task us8k --seed 1.5", "--seed: must be a whole number of at least 0, not '1.5'"),
        ("--task us8k --limit 0", "--limit: must be a whole number of at least 1"),
        ("--task us8k --min-coverage 50", "--min-coverage: must be a number from 0 to 1, not '50'"),
        ("--task us8k --min-coverage nan", "--min-coverage: must be a number from 0 to 1, not 'nan'"),
        ("--task us8k --shots 1,x", "--shots: must be whole numbers of at least 1, such as 1,2,4,8, not '1,x'"),
        ("--task us8k --draws 0", "--draws: must be a whole number from 1 to 1000, not '0'"),
        ("--task us8k --seed 1 --seed 2", "argument --seed: given twice, as 1 and 2"),
        ("check --tsk us8k", "unknown option of evar check '--tsk': did you mean --task?"),
        ("prepare", "the following arguments are required: --task"),
        ("cache prune --to 20QB", "--to: must be bytes, such as 20GB or 500MB (B, kB, MB, GB, TB), not '20QB'"),
        ("cache prune --to=-1", "--to: must be bytes"),
        ("cache prune --all --to 20GB", "argument --to: not allowed with argument --all"),
        ("cache lst", "unknown action 'lst': did you mean list?"),
    ],
)
def test_mistake_is_one_line_that_says_what_would_be_right(line, said):
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--task us8k --task gtzan,vc1 --probe knn --probe mlp", {"task": "us8k,gtzan,vc1", "probe": "knn,mlp"}),
        ("--task us8k", {"probe": "logistic"}),
        ("leaderboard --encoder m2d --encoder a,b", {"encoder": ("m2d", "a", "b")}),
    ],
)
def test_lists_that_are_given_twice_add_up(line, expected):
    assert {name: vars(parse(line.split()))[name] for name in expected} == expected


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path))
    monkeypatch.setenv("EVAR_DATA", str(tmp_path / "data"))
    chosen = parse(["--task", "us8k"])
    assert (chosen.cache, chosen.data) == (tmp_path, tmp_path / "data")
    monkeypatch.delenv("EVAR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert parse(["--task", "us8k"]).cache == tmp_path / "x" / "evar"


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"evar \d+\.\d+\.\d+\n", capsys.readouterr().out)
