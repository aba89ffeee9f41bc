"""Plug-ins of other packages: the template of the documents, and packages that are wrong in each possible way."""

import logging
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evar.base import entry_points, plugins
from evar.cli import main
from evar.data.task import BUNDLED, task_files
from evar.leaderboard.runs import read_rows

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "docs" / "plugin-template"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder with the template installed, as pip would: the wheel of its own build, unpacked."""
    folder = tmp_path_factory.mktemp("garden")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=TEMPLATE, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def forgotten():
    """Modules that a test imports are forgotten after it."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("evar_", "broken")):
            del sys.modules[name]


@pytest.fixture
def installed(site, monkeypatch, forgotten):
    """The template is installed in the test's own process."""
    monkeypatch.syspath_prepend(site)


def declare(folder, group, name, value, package="evar-weeds"):
    """Install a package that declares one entry point."""
    info = folder / f"{package.replace('-', '_')}-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\nSummary: Weeds\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


def said(capsys, *arguments):
    """Exit code and the last line of stderr, which is all that is said of a mistake."""
    code = main(list(map(str, arguments)))
    lines = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(lines)
    return code, lines[-1] if lines else ""


def test_the_template_keeps_the_contracts_by_its_own_tests(site):
    path = os.pathsep.join(map(str, (site, ROOT)))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "tests"]
    done = subprocess.run(command, cwd=TEMPLATE, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 60


def test_every_kind_of_plug_in_takes_part_in_a_run_and_the_row_says_which_package(installed, site, tmp_path, capsys):
    draws = np.random.default_rng(0)
    for part, label, clip in ((p, c, k) for p in ("train", "valid", "test") for c in (0, 1) for k in range(4)):
        file = tmp_path / "data" / "barks" / part / f"level{label}" / f"{clip}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.01 * 10**label * draws.standard_normal(8000), 16000)
    places = [f"--{name}={tmp_path / name}" for name in ("data", "cache", "results")]
    command = ["--task", "barks", "--encoder", "loudness(parts=4)", "--probe", "ridge", *places]
    assert main(command) == 0
    (row,) = read_rows(tmp_path / "results")
    assert (row.encoder, row.probe, row.score) == ("loudness", "ridge", 1.0)
    (package,) = row.plugins
    assert package.startswith("evar-garden 0.1.0 (sources ")
    assert main(command) == 0  # has its row
    file = site / "evar_garden" / "ridge.py"
    text = file.read_text()
    file.write_text(text + "\n")
    assert main(command) == 0  # other sources are another probe
    file.write_text(text)
    one, other = read_rows(tmp_path / "results")
    assert one.plugins != other.plugins
    capsys.readouterr()
    assert main(["leaderboard", "--results", str(tmp_path / "results"), "--format", "lines"]) == 0
    assert f"{other.run} barks loudness ridge 1.0000" in capsys.readouterr().out


def test_lists_say_where_each_is_from(installed, capsys):
    for command, name in (
        (("--encoder", "list"), "loudness"),
        (("--probe", "list"), "ridge"),
        (("leaderboard", "--format", "list"), "lines"),
        (("export", "--format", "list"), "lines"),
        (("--task", "list"), "barks"),
    ):
        assert main(list(command)) == 0
        lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
        (line,) = [line for line in lines if line[0].strip() == name]
        assert "evar-garden 0.1.0" in map(str.strip, line)
        assert sum("evar" in map(str.strip, line) for line in lines) >= 5


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("broken", "encoder weed of the package evar-weeds 2.0 cannot be imported: evar.encoders names 'broken': "
                   "ZeroDivisionError: division by zero"),
        ("brokn", "encoder weed of the package evar-weeds 2.0 cannot be imported: evar.encoders names 'brokn': "
                  "ModuleNotFoundError: No module named 'brokn'"),
        ("broken_not:open_encodr", "AttributeError: module 'broken_not' has no attribute 'open_encodr'"),
        ("broken_not", "encoder weed of the package evar-weeds 2.0: broken_not defines no function open_encoder"),
        ("broken_not:NUMBER", "encoder weed of the package evar-weeds 2.0: broken_not:NUMBER is no function"),
        ("not a module", "'not a module': that is no MODULE or MODULE:NAME"),
        ("broken_not:fail", "encoder weed of evar-weeds 2.0"),
    ],
)  # fmt: skip
def test_a_broken_plug_in_is_one_line(value, complaint, tmp_path, monkeypatch, forgotten, capsys):
    declare(tmp_path, "evar.encoders", "weed", value)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "broken_not.py").write_text("NUMBER = 1\ndef fail(weights):\n    raise KeyError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, line = said(capsys, "--task", "demo", "--encoder", "weed", "--results", tmp_path / "results")
    assert code == 2
    assert complaint in line


def test_a_name_of_our_own_stays_ours_and_the_other_is_noted(tmp_path, monkeypatch, notes):
    declare(tmp_path, "evar.probes", "logistic", "nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.load("probe", "logistic").__module__ == "evar.probes.logistic"
    assert notes == [
        "probe logistic: the bundled one is used; evar-weeds 2.0 has one of the same name, which is not reached"
    ]
    assert [each.package for each in plugins.listed("probe") if each.name == "logistic"] == ["evar", "evar-weeds 2.0"]


def test_one_name_in_two_packages_and_typos_are_one_line(installed, tmp_path, monkeypatch, capsys):
    declare(tmp_path, "evar.encoders", "loudness", "nowhere")
    declare(tmp_path, "evar.encoder", "humidity", "nowhere", package="evar-shed")
    monkeypatch.syspath_prepend(tmp_path)
    both = "encoder loudness is in evar-garden 0.1.0 and evar-weeds 2.0: uninstall all but one"
    assert said(capsys, "check-encoder", "loudness") == (2, f"evar: error: {both}")
    assert "unknown encoder 'loudnes': did you mean loudness?" in said(capsys, "check-encoder", "loudnes")[1]
    assert said(capsys, "check-encoder", "humidity")[1].endswith(
        "the package evar-shed 2.0 declares it in the unknown group evar.encoder: did you mean evar.encoders?"
    )


def test_folders_of_tasks_that_are_none_are_noted_and_cost_nothing_else(installed, tmp_path, monkeypatch, caplog):
    (tmp_path / "weeds").mkdir()
    (tmp_path / "weeds" / "us8k.yaml").write_text("title: not the one\n")
    (tmp_path / "broken_empty").mkdir()
    for package, value in (("evar-a", "broken_empty"), ("evar-b", "nowhere"), ("evar-c", "json.decoder"),
                           ("evar-d", "weeds")):  # fmt: skip
        declare(tmp_path, "evar.tasks", "weeds", value, package=package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        files = task_files()
    assert files["us8k"].parent == BUNDLED
    assert files["barks"].parent.name == "tasks"
    assert [record.getMessage() for record in caplog.records] == [
        "tasks weeds of the package evar-a 2.0: no .yaml file in broken_empty",
        "tasks weeds of the package evar-b 2.0 cannot be imported: evar.tasks names 'nowhere': "
        "ModuleNotFoundError: No module named 'nowhere'",
        "tasks weeds of the package evar-c 2.0: json.decoder is no package, whose folder could hold tasks",
        f"task us8k: {BUNDLED / 'us8k.yaml'} is used; evar-d 2.0 has one of the same name, which is not reached",
    ]


def test_groups_are_those_of_the_template():
    text = (TEMPLATE / "pyproject.toml").read_text()
    assert [group for group in entry_points.GROUPS.values() if f'entry-points."{group}"' not in text] == []
