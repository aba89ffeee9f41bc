"""A headless Chromium whose network goes nowhere, and a page to look at."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evar.cli import main
from evar.testing.made_results import add, make_results, make_scored

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NOWHERE = "127.0.0.1:9"  # the discard port: a proxy that refuses every request
BINARIES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "driver": ("chromedriver",)}


def found(name: str) -> str:
    """The program's path. Skips where it is not installed."""
    for program in BINARIES[name]:
        if path := shutil.which(program):
            return path
    pytest.skip(f"no {' or '.join(BINARIES[name])} here (Debian: apt-get install chromium chromium-driver)")


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up results, as `evar leaderboard --format html` writes it."""
    results = tmp_path_factory.mktemp("results")
    make_results(results)
    return write_page(results)


@pytest.fixture(scope="session")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 130 encoders."""
    results = tmp_path_factory.mktemp("results")
    for number in range(130):
        add(results, make_scored(f"e{number}", "us8k", 0.5 + number / 1000, number), clips=1000)
    return write_page(results)


def write_page(results: Path) -> Path:
    """Run the command."""
    assert main(["leaderboard", "--format", "html", "--results", str(results)]) == 0
    return results / "leaderboard.html"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """One browser for all tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other people's imports
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = found("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--proxy-server={NOWHERE}"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found("driver")))
    try:
        yield driver
    finally:
        driver.quit()
