"""`python -m benchmarks.page`: the leaderboard's page of 10,000 made-up rows: how long, how large, how fast it sorts.

One line a size of the board: seconds from the runs to the HTML text (Python's start not counted) at first, with every
paired comparison with the best of a column, and again, when these are known; bytes, runs shown in full, and, where
Chromium and Selenium are installed, milliseconds until the page has loaded and until its largest table is sorted and
laid out again: the fastest, the median and the slowest of ten.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import one_option
from benchmarks.limits import timed
from evar.base import provenance
from evar.data.task import CORE
from evar.leaderboard.published import read_published
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.runs import read_rows
from evar.testing.made_results import add, make_scored

CLASSES = tuple(f"class {number}" for number in range(10))
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd > 0"
SORT = """
const times = [], button = document.querySelector("#scores thead th:nth-child(2) button");
for (let k = 0; k < 10; k++) {
  const begin = performance.now();
  button.click();
  document.body.offsetHeight;
  times.push(performance.now() - begin);
}
const { responseStart, loadEventEnd } = performance.getEntriesByType("navigation")[0];
times.sort((one, other) => one - other);
return [loadEventEnd - responseStart, times[0], times[5], times[9]];
"""


def main() -> None:
    """Print a line a board: many encoders on five tasks, and one task that has all rows."""
    commit, dirty = provenance.commit()
    print(f"{os.cpu_count()} cores  commit {commit[:12]}{' + changes' if dirty else ''}")
    for encoders, tasks in ((40, CORE), (2000, CORE), (10_000, CORE[:1])):
        with tempfile.TemporaryDirectory() as name:
            report(Path(name), encoders, tasks)


def report(results: Path, encoders: int, tasks: tuple[str, ...], rows: int = 10_000) -> None:
    """Make `rows` rows of so many encoders, the later runs of each replacing the earlier ones, and measure."""
    make(results, encoders, tasks, rows)
    first, _ = timed(lambda: render(results))
    begin = time.process_time()
    took, page = timed(lambda: render(results))
    of_processor = time.process_time() - begin
    file = results / "page.html"
    file.write_text(page, encoding="utf-8")
    shown = page.count('<details class="run"')
    browser = in_browser(file)
    print(
        f"{rows} rows, {encoders:5} encoders, {len(tasks)} tasks  first {first:5.2f} s, again {took:5.2f} s "
        f"({of_processor:.2f} s of CPU)  "
        f"{file.stat().st_size / 1e6:5.2f} MB  {shown} runs in full  {browser}",
        flush=True,
    )


def render(results: Path) -> str:
    """What `evar leaderboard --format html` does."""
    return Leaderboard(results, read_rows(results), read_published(), []).text("html")


def make(results: Path, encoders: int, tasks: tuple[str, ...], rows: int) -> None:
    """A leaderboard with the predictions of 200 clips behind every row."""
    random = np.random.default_rng(0)
    made = [
        make_scored(f"encoder {number % encoders}", tasks[number // encoders % len(tasks)], score, number)
        for number, score in enumerate(random.uniform(0.2, 0.9, rows).round(3))
    ]
    for row in made:
        add(results, row, CLASSES, clips=200)


def in_browser(file: Path) -> str:
    """How long the page takes to load and to sort; why not, where there is no browser."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        return "(no chromium and chromedriver: not opened)"
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = Options()
    options.binary_location = chromium
    options.add_argument("--headless=new")
    options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        driver.get(file.as_uri())
        WebDriverWait(driver, 60).until(lambda _: driver.execute_script(LOADED))
        load, *sort = driver.execute_script(SORT)
    finally:
        driver.quit()
    return f"loaded in {load:.0f} ms, sorted in {' / '.join(f'{each:.0f}' for each in sort)} ms"


if __name__ == "__main__":
    one_option("benchmarks.page", __doc__)
    main()
