"""What is installed: wheel and sdist carry the tasks, the weights and the published rows, and work from any folder."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from evar.base import errors

ROOT = Path(__file__).parents[1]
CARRIED = {f"evar/tasks/{file.name}" for file in (ROOT / "tasks").iterdir()}
CARRIED |= {f"evar/weights/{file.name}" for file in (ROOT / "weights").iterdir()}
CARRIED |= {
    f"evar/leaderboard/page/templates/{name}"
    for name in ("page.html", "head.html", "tables.html", "run.html", "site.html", "site_run.html")
}
CARRIED |= {f"evar/leaderboard/page/templates/{name}" for name in ("page.css", "page.js")}
CARRIED |= {"evar/published.csv", "evar/py.typed", "evar/cli/__init__.py", "evar/data/readers/urbansound8k.py"}


def build(source, folder, *options):
    """Build in `source` with the project's own backend, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), *options]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def contents(wheel):
    """{name: bytes} of the package's files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("evar/")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


def test_the_name_to_install_by_is_one_and_is_nowhere_the_other_projects(built):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == errors.DISTRIBUTION
    assert len(list(built.glob(f"{errors.DISTRIBUTION.replace('-', '_')}-*"))) == 2
    files = [file for kind in ("py", "md", "toml", "yaml") for file in ROOT.glob(f"*/**/*.{kind}")]
    files = [file for file in files if not file.relative_to(ROOT).parts[0].startswith(".") and file != Path(__file__)]
    files += [file for file in ROOT.iterdir() if file.is_file()]
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not re.findall(r"pip3? install[^\n]*[\s'\"]evar(?![\w-])", text), file
        for extra in re.findall(rf"{errors.DISTRIBUTION}\[(\w+)\]|install_hint\(['\"](\w+)", text):
            assert set(extra) & set(project["optional-dependencies"]), (file, extra)


def test_hint_names_the_extra():
    assert errors.install_hint("parquet") == "pip install 'evar-audio[parquet]'"


def test_wheel_carries_everything_and_no_results_of_a_user(built):
    (wheel,) = built.glob("*.whl")
    files = contents(wheel)
    assert set(files) >= CARRIED
    assert not [name for name in files if "leaderboard.csv" in name]
    assert files["evar/published.csv"].startswith(b"task,model,")
    for name in ("us8k", "vc1", "as20k", "gtzan", "spcv2", "demo"):
        assert files[f"evar/tasks/{name}.yaml"].startswith(b"title:")


def test_wheel_says_what_it_is_and_carries_the_licences(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        said = archive.read(f"{folder}/METADATA").decode()
        licences = {name: archive.read(f"{folder}/licenses/{name}") for name in ("LICENSE", "NOTICE.md")}
    for line in ("License-Expression: MIT", "License-File: NOTICE.md", "Requires-Python: >=3.11",
                 "Classifier: Typing :: Typed", "Description-Content-Type: text/markdown"):  # fmt: skip
        assert line in said.splitlines()
    assert licences == {name: (ROOT / name).read_bytes() for name in licences}
    notice = licences["NOTICE.md"].decode()
    for weights in (ROOT / "weights").glob("*.safetensors"):
        assert f"evar/weights/{weights.name}" in notice


def test_sdist_builds_the_same_wheel(built, tmp_path):
    (sdist,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    command = [sys.executable, "-m", "tarfile", "--extract", str(sdist), str(tmp_path / "unpacked")]
    subprocess.run(command, check=True)  # extractall(filter=...) came with Python 3.11.4
    (source,) = (tmp_path / "unpacked").iterdir()
    build(source, tmp_path / "again", "--target", "wheel")
    (again,) = (tmp_path / "again").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_installed_command_works_from_any_folder(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    console = ["-c", "from evar.cli import console; console()", "--task", "list"]
    for line, said in ((console, "UrbanSound8K"), (["-m", "evar", "--help"], "check-encoder")):
        done = subprocess.run([sys.executable, *line], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
