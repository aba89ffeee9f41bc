"""`evar weights` and releases named by --weights, without a network."""

import shutil

from evar.cli import main
from evar.nn import releases
from tests import recipe
from tests.tones import write_tones

NAME = "m2d_vit_base-80x608p16x16-221006-mr7"


def test_list_shows_names_and_terms(capsys):
    assert main(["weights", "list"]) == 0
    out, err = capsys.readouterr()
    assert NAME in out
    assert "its licence applies" in err


def test_bundled_checkpoint_is_listed_checked_and_used_by_its_name(tmp_path, capsys, monkeypatch):
    write_tones(tmp_path, clips=3)
    assert main(["weights", "list", "tiny"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("bundled  10.8 MB")
    for action in ("check", "get"):
        assert main(["weights", action, "tiny"]) == 0
        assert capsys.readouterr().out.startswith("tiny  ok  sha256 ")
    name = releases.releases().bundled["tiny"].file.removesuffix(".safetensors")
    for given in (["--weights", "tiny"], ["--weights", name], []):
        assert main(["--task", "tones.yaml", *given]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("tones  m2d_vit_tiny-80x208p16x16-")
        assert ("the small bundled encoder" in err) == (not given)
    for typo in ("tinny", "TINY"):
        assert main(["--task", "tones.yaml", "--weights", typo]) == 2
        assert "did you mean tiny" in capsys.readouterr().err
    recipe.write(tmp_path / "tiny" / "m2d_vit_tiny-80x64p16x16", "m2d_vit_tiny-80x64p16x16").rename("tiny/own.pth")
    assert main(["--task", "tones.yaml", "--weights", "tiny"]) == 2
    assert "weights tiny: what lies here under that name, not the checkpoint" in capsys.readouterr().err


def test_release_that_is_there_is_checked_and_used_by_its_name(tmp_path, capsys, monkeypatch):
    model = "m2d_vit_tiny-80x64p16x16"
    known = releases.Releases(terms="terms", releases={model: {"address": "http://127.0.0.1:1/x.zip", "what": "tiny"}})
    monkeypatch.setattr(releases, "releases", lambda: known)
    recipe.write(tmp_path / "cache" / "weights" / model, model)
    write_tones(tmp_path, clips=3)
    assert main(["weights", "check"]) == 0
    assert capsys.readouterr().out.startswith(f"{model}  ok  sha256 ")
    assert main(["--task", "tones.yaml", "--weights", model]) == 0
    assert capsys.readouterr().out.startswith(f"tones  {model}  logistic")
    shutil.rmtree(tmp_path / "cache")


def test_list_can_be_narrowed(capsys):
    assert main(["weights", "list", "AS-FT"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert rows
    assert all("AS-FT" in row for row in rows)


def test_check_says_that_nothing_is_here(capsys):
    assert main(["weights", "check"]) == 0
    assert "no release is here" in capsys.readouterr().err


def test_damaged_checkpoint_does_not_stop_the_check_of_the_others(tmp_path, capsys, monkeypatch):
    model = "m2d_vit_tiny-80x64p16x16"
    bundled = {"tiny": {"file": "none.safetensors", "sha256": "0" * 64, "what": "gone"}}
    release = {model: {"address": "http://127.0.0.1:1/x.zip", "what": "tiny"}}
    known = releases.Releases(bundled=bundled, terms="terms", releases=release)
    monkeypatch.setattr(releases, "releases", lambda: known)
    recipe.write(tmp_path / "cache" / "weights" / model, model)
    assert main(["weights", "check"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith(f"{model}  ok")
    assert "the bundled encoder tiny, cannot be read" in err
    assert main(["weights", "list", "tiny"]) == 0
    assert "missing" in capsys.readouterr().out


def test_mistakes_are_one_line_each(capsys):
    cases = {
        "weights gett": "unknown action 'gett': did you mean get",
        "weights get": "evar weights get NAME: say which",
        "weights check m2d": "unknown checkpoint 'm2d'",
        "weights list wav2vec2": "unknown checkpoint 'wav2vec2'",
        f"weights check {NAME}": f"release {NAME} is not here: evar weights get {NAME}",
        f"--task core --weights {NAME}x": f"none of that name: did you mean {NAME}",
    }
    for line, said in cases.items():
        assert main([*line.split()]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.splitlines()) == 1
