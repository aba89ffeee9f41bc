"""The page in a real browser: what it does, that it says nothing to anyone, and what it looks like.

Screenshots go to the folder $EVAR_SCREENSHOTS where it is set.
"""

import base64
import csv
import json
import os
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from evar.testing.made_results import EVIL

SECONDS = 20  # to wait at most; a page that does it at once is not slower for it
DESKTOP, PHONE = (1280, 900), (360, 740)
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def browser(chromium, page):
    """The page, freshly opened on a desktop in the light, nothing remembered; nothing may be wrong in the end."""
    look(chromium, *DESKTOP)
    open_page(chromium, page)
    chromium.execute_script("localStorage.clear()")
    open_page(chromium, page)
    chromium.get_log("browser")
    yield chromium
    assert chromium.get_log("browser") == []


def open_page(browser, page):
    """Open it anew and wait until it has set itself up, which the driver does not always do."""
    browser.get("about:blank")
    browser.get(page.as_uri())
    wait(browser, lambda: browser.execute_script("return document.readyState") == "complete")


def look(browser, width, height, *, dark=False):
    """Set the window's size in CSS pixels and whether the system is dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def wait(browser, condition):
    return WebDriverWait(browser, SECONDS).until(lambda _: condition())


def find(browser, css):
    return browser.find_element(By.CSS_SELECTOR, css)


def find_all(browser, css):
    return browser.find_elements(By.CSS_SELECTOR, css)


def names(browser, table="#scores table"):
    """The first column of a table's visible rows."""
    rows = find_all(find(browser, table), "tbody th")
    return [row.text.split("\n")[0] for row in rows if row.is_displayed()]


def header(browser, text, table="#scores table"):
    return next(each for each in find_all(find(browser, table), "thead th") if each.text == text)


def ground(browser):
    """The mean of the page's ground colour, 0 to 255."""
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return sum(map(int, colour.partition("(")[2].rstrip(")").split(", "))) / 3


def test_sorting_by_a_score_and_back_keeps_missing_ones_last(browser):
    head = header(browser, "gtzan")
    button = find(head, "button")
    button.click()
    wait(browser, lambda: head.get_attribute("aria-sort") == "descending")
    assert names(browser) == ["m2d", EVIL, "logmel", "beats"]
    button.click()
    wait(browser, lambda: head.get_attribute("aria-sort") == "ascending")
    assert names(browser) == ["logmel", EVIL, "m2d", "beats"]


def test_sorting_by_name_begins_at_a_and_only_one_column_says_that_it_sorts(browser):
    find(header(browser, "us8k"), "button").click()
    find(header(browser, "encoder"), "button").click()
    wait(browser, lambda: names(browser) == [EVIL, "beats", "logmel", "m2d"])
    sorts = [head.get_attribute("aria-sort") for head in find_all(find(browser, "#scores table"), "thead th")]
    assert sorts.count("none") == len(sorts) - 1


def test_filter_by_text_leaves_the_encoders_that_fit_everywhere(browser):
    find(browser, "#filter-text").send_keys("LOGM")
    wait(browser, lambda: names(browser) == ["logmel"])
    assert names(browser, "#heat table") == ["logmel"]
    runs = [run.text for run in find_all(browser, "details.run") if run.is_displayed()]
    assert runs
    assert all("logmel" in run for run in runs)
    assert "rows fit" in find(browser, "#count").text
    find(browser, "#filters button").click()
    wait(browser, lambda: len(names(browser)) == 4)
    assert find(browser, "#count").text == ""


def test_filter_by_text_finds_published_models_too(browser):
    find(browser, "#filter-text").send_keys("hubert")
    wait(browser, lambda: not find(browser, "#scores").is_displayed())
    shown = names(browser, "#published table")
    assert shown
    assert all("hubert" in name.lower() for name in shown)


def test_filter_by_task_hides_other_columns_pictures_and_encoders_without_it(browser):
    Select(find(browser, "#filter-task")).select_by_visible_text("gtzan")
    wait(browser, lambda: "beats" not in names(browser))
    heads = [head.text for head in find_all(find(browser, "#scores table"), "thead th") if head.is_displayed()]
    assert heads == ["encoder", "gtzan"]
    captions = [each.text for each in find_all(browser, "figcaption") if each.is_displayed()]
    assert captions
    assert all(caption.startswith("gtzan") for caption in captions)


def test_filter_by_probe_leaves_its_tables(browser):
    Select(find(browser, "#filter-probe")).select_by_visible_text("m2d_paper")
    wait(browser, lambda: not find_all(browser, "#scores h3")[0].is_displayed())
    assert [each.text for each in find_all(browser, "#scores h3")[1:]] == ["probe m2d_paper, output last"]


def test_filters_hide_the_marks_of_other_encoders_and_probes_in_pictures(browser):
    """The picture of us8k has both probes, and each encoder's marks in its own colour."""

    def shown(css):
        picture = find(browser, "#by-task figure")
        return {
            (each.get_attribute("data-e"), each.get_attribute("data-s"))
            for each in find_all(picture, css)
            if visible(each)
        }

    def visible(mark):
        return mark.get_attribute("hidden") is None

    every = shown("[data-s]")
    assert {encoder for encoder, _ in every} == {"0", "1", "2", "3"}
    assert {series for _, series in every} == {"0", "1"}
    Select(find(browser, "#filter-probe")).select_by_visible_text("m2d_paper")
    wait(browser, lambda: {series for _, series in shown("[data-s]")} == {"1"})
    find(browser, "#filter-text").send_keys("logmel.pth")
    wait(browser, lambda: len(shown("[data-e]")) == 2)
    (number,) = {encoder for encoder, _ in shown("[data-e]")}
    assert names(browser, "#scores .block:nth-of-type(2) table") == ["logmel"]
    assert find(browser, "#scores .block:nth-of-type(2) tbody tr:not([hidden])").get_attribute("data-e") == number
    assert not find(browser, "#speed").is_displayed()


def test_an_encoder_has_one_colour_everywhere(browser):
    found = browser.execute_script(COLOURS_OF_ENCODERS)
    assert {kind for kind, _, _ in found} == {"dot", "mark"}
    numbers = {number for _, number, _ in found}
    assert numbers == {"0", "1", "2", "3"}
    assert len({(number, colour) for _, number, colour in found}) == len(numbers)
    assert len({colour for _, _, colour in found}) == len(numbers)


def test_the_address_keeps_the_filters(browser):
    Select(find(browser, "#filter-task")).select_by_visible_text("us8k")
    find(browser, "#filter-text").send_keys("m2d")
    wait(browser, lambda: browser.current_url.endswith("?encoder=m2d&task=us8k"))
    browser.get(browser.current_url)
    wait(browser, lambda: names(browser) == ["m2d"])
    assert Select(find(browser, "#filter-task")).first_selected_option.text == "us8k"
    find(browser, "#scores tbody td a").click()
    wait(browser, lambda: "?encoder=m2d&task=us8k#run-" in browser.current_url)
    find(browser, "#filters button").click()
    wait(browser, lambda: "?" not in browser.current_url)
    browser.get(browser.current_url.partition("#")[0] + "?task=none&probe=knn")
    wait(browser, lambda: len(names(browser)) == 4)


def test_what_is_shown_is_copied_and_downloaded(browser, tmp_path):
    """Of the columns and rows that filters leave; a name that a spreadsheet would run is quoted."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.execute_script(KEEP_COPIES)
    find(browser, "#filter-text").send_keys("m2d")
    Select(find(browser, "#filter-task")).select_by_visible_text("us8k")
    wait(browser, lambda: names(browser) == ["m2d"])
    browser.execute_script("document.querySelector('#scores tbody label').lastChild.data = '=m2d, \"x\"'")
    block = find(browser, "#scores .block")
    find(block, "button[aria-label^=Copy]").click()
    wait(browser, lambda: find(block, "output").text == "1 rows copied")
    score = next(row.text for row in find_all(block, "tbody td") if row.is_displayed()).replace("\n", " ")
    lines = browser.execute_script("return window.copied").split("\n")
    assert [line.split("\t") for line in lines[:2]] == [["encoder", "us8k"], ['\'=m2d, "x" m2d.pth', score]]
    assert [line.split("\t")[0] for line in lines[2:]] == ["chance", "n"]
    find(block, "button[aria-label^=Download]").click()
    file = tmp_path / "probe-logistic-output-last.csv"
    wait(browser, file.exists)
    assert [row[1] for row in csv.reader(file.read_text("utf-8").splitlines())][:2] == ["us8k", score]


def test_two_rows_are_compared_by_clicking_them(browser):
    rows = {row.text.split("\n")[0]: row for row in find_all(browser, "#scores tbody tr")[:4]}
    find(rows["m2d"], "td:last-child").click()
    panel = find(browser, "#comparison")
    wait(browser, lambda: "m2d, probe logistic, output last: choose another row" in panel.text)
    box = find(rows["beats"], "input")
    browser.execute_script("arguments[0].focus()", box)
    press(browser, Keys.SPACE)
    wait(browser, lambda: find_all(panel, "table"))
    cells = [[cell.text for cell in find_all(row, "th, td")] for row in find_all(panel, "tr")]
    assert [row[0] for row in cells] == ["task", "us8k", "as20k", "spcv2"]
    assert cells[1][3:] == ["+5.0", "A is better"]
    assert cells[1][1].startswith("80.0 [78.0, ")
    assert cells[2][4] == "not separable, paired"
    find(rows["logmel"], "td:last-child").click()  # in place of m2d
    wait(browser, lambda: len(find_all(panel, "tbody tr")) == 3)
    assert [box.is_selected() for box in find_all(browser, "#scores tbody tr .pick")[:4]] == [False, False, True, True]
    assert re.search(r"paired: evar compare 0000000e 0000000\d$", find_all(panel, "tbody tr")[1].text)
    press(browser, Keys.ESCAPE)
    wait(browser, lambda: not panel.is_displayed())
    assert not find_all(browser, ".pick:checked")


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_wrong(browser, dark):
    """By all of its rules, on a phone, with a run of each kind open and two rows compared."""
    if not AXE.exists():
        pytest.skip("no axe-core here: npm gets it (make test-browser)")
    look(browser, *PHONE, dark=dark)
    browser.execute_script(OPEN_ONE_OF_EACH)
    wait(browser, lambda: find_all(browser, "#comparison table"))
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    browser.set_script_timeout(120)
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert len(found["passes"]) > 40


def test_a_long_table_shows_its_first_rows_until_asked(browser, long_page):
    open_page(browser, long_page)
    assert len(names(browser)) == 100
    find(header(browser, "us8k"), "button").click()
    find(header(browser, "us8k"), "button").click()
    wait(browser, lambda: names(browser)[0] == "e0")
    assert len(names(browser)) == 100
    more = find(browser, "#scores .more")
    assert more.text == "Show all 130 rows"
    more.click()
    wait(browser, lambda: len(names(browser)) == 130)
    find(browser, "#filter-text").send_keys("e12")
    wait(browser, lambda: len(names(browser)) == 11)
    assert not more.is_displayed()


def test_dark_mode_follows_the_system_and_the_button_which_is_remembered(browser, page):
    assert ground(browser) > 200
    look(browser, *DESKTOP, dark=True)
    wait(browser, lambda: ground(browser) < 60)
    button = find(browser, "#theme")
    wait(browser, lambda: button.get_attribute("aria-pressed") == "true")
    button.click()
    wait(browser, lambda: ground(browser) > 200)
    open_page(browser, page)
    assert ground(browser) > 200
    assert find(browser, "#theme").get_attribute("aria-pressed") == "false"


def test_text_is_readable_in_light_and_dark(browser):
    """Contrast of 4.5 (WCAG AA) of text, muted text, links and marked cells with what they stand on."""
    for dark in (False, True):
        look(browser, *DESKTOP, dark=dark)
        wait(browser, lambda dark=dark: (ground(browser) < 60) == dark)
        pairs = browser.execute_script(CONTRASTS)
        assert len(pairs) > 4
        assert [pair for pair in pairs if pair["contrast"] < 4.5] == []


def test_page_fits_a_phone_with_every_run_open(browser):
    look(browser, *PHONE)
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    width = wait(browser, lambda: browser.execute_script("return document.documentElement.clientWidth"))
    assert width == PHONE[0]
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert browser.execute_script(
        "const b = document.querySelector('#scores .scroll'); return b.scrollWidth > b.clientWidth"
    )


def test_a_score_leads_to_its_run(browser):
    find(browser, "#scores tbody td a").click()
    opened = wait(browser, lambda: find_all(browser, "details.run[open]"))
    assert len(opened) == 1
    assert opened[0].is_displayed()
    assert "Hardest clips" in opened[0].text
    assert "audio/fold" in opened[0].text


def test_names_are_shown_and_never_run(browser):
    """An alert would stop every command to the browser; only the page's own script is there."""
    assert EVIL in names(browser)
    assert len(find_all(browser, "script")) == 1
    assert browser.execute_script("return document.title") == "EVAR leaderboard"


def test_an_injected_script_would_not_run(browser):
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
    )
    refused = wait(browser, lambda: browser.get_log("browser"))
    assert "Content Security Policy" in refused[0]["message"]
    assert browser.execute_script("return window.ran") is None


def test_every_row_has_a_cell_for_each_column(browser):
    tables = browser.execute_script(
        "return [...document.querySelectorAll('table')].map(table => [...table.rows].map(row => row.cells.length))"
    )
    assert len(tables) > 20
    assert [counts for counts in tables if len(set(counts)) > 1] == []


def test_no_request_leaves_the_page(browser, page):
    browser.get_log("performance")
    open_page(browser, page)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"}
    assert page.as_uri() in asked
    assert {url for url in asked if not url.startswith(("data:", "about:"))} == {page.as_uri()}


def test_everything_is_reached_by_keys(browser):
    """Tab reaches the filters, a column's button, which Enter presses, and a run's summary."""
    browser.execute_script("document.getElementById('filter-text').focus()")
    reached, outlines = [], []
    for _ in range(14):
        press(browser, Keys.TAB)
        active = browser.switch_to.active_element
        reached.append(active.get_attribute("id") or active.get_attribute("class") or active.text)
        outlines.append(browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", active))
    assert reached[:4] == ["filter-task", "filter-probe", "quiet", "scroll"]
    assert "pick" in reached
    assert "us8k" in reached
    assert "none" not in outlines
    browser.execute_script("arguments[0].focus()", find(header(browser, "us8k"), "button"))
    press(browser, Keys.ENTER)
    wait(browser, lambda: header(browser, "us8k").get_attribute("aria-sort") == "descending")
    summary = find(browser, "details.run summary")
    browser.execute_script("arguments[0].focus()", summary)
    press(browser, Keys.ENTER)
    wait(browser, lambda: find_all(browser, "details.run[open]"))


def press(browser, key):
    browser.switch_to.active_element.send_keys(key)


def test_pictures_have_text_alternatives_and_ids_of_their_own(browser):
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    pictures = find_all(browser, "svg[role=img]")
    assert len(pictures) > 8
    for picture in pictures:
        assert len(picture.accessible_name) > 8
    used = {each.get_attribute("href").removeprefix("#") for each in find_all(browser, "use")}
    assert used
    assert used <= set(ids)


def test_page_prints(browser):
    pdf = base64.b64decode(browser.print_page())
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") > 1
    look_printed = {"media": "print", "features": []}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", look_printed)
    assert not find(browser, "#filters").is_displayed()
    assert find(browser, "#scores").is_displayed()
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(
    ("width", "dark"), [(360, False), (360, True), (800, False), (800, True), (1600, False), (1600, True)]
)
def test_screenshots(browser, width, dark, tmp_path):
    """The whole page with one run open, as a picture that is not of one colour; nothing stands out on its sides."""
    look(browser, width, 900, dark=dark)
    browser.execute_script("document.querySelector('details.run').open = true")
    wait(browser, lambda: (ground(browser) < 60) == dark)
    height = browser.execute_script("return document.documentElement.scrollHeight")
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    folder = Path(os.environ.get("EVAR_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"page-{width}-{'dark' if dark else 'light'}.png"
    file.write_bytes(base64.b64decode(shot["data"]))
    assert file.stat().st_size > 50_000


COLOURS_OF_ENCODERS = """
const dots = [...document.querySelectorAll("tr[data-e] .dot, li[data-e] .dot")].map(dot =>
  ["dot", dot.closest("[data-e]").dataset.e, getComputedStyle(dot).backgroundColor]);
const drawn = [...document.querySelectorAll("svg [data-e] :is(use, path[style*=stroke])")];
const marks = drawn.filter(mark => !mark.closest("defs")).map(mark =>
  ["mark", mark.closest("[data-e]").dataset.e, getComputedStyle(mark).stroke]);
return [...dots, ...marks];
"""
KEEP_COPIES = """
Object.defineProperty(navigator, "clipboard", { value: { writeText: async text => { window.copied = text; } } });
"""
OPEN_ONE_OF_EACH = """
const seen = new Set();
for (const run of document.querySelectorAll("details.run")) {
  run.open = !seen.has(run.dataset.task);
  seen.add(run.dataset.task);
}
for (const box of [...document.querySelectorAll(".pick")].slice(0, 2)) box.click();
"""
CONTRASTS = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
function over(colours) {  // the colour that these make on top of each other
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function luminance([r, g, b]) {
  const linear = [r, g, b].map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function grounds(element) {
  const found = [];
  for (let each = element; each; each = each.parentElement) found.unshift(getComputedStyle(each).backgroundColor);
  return found;
}
return ["h1", ".lead", "nav a", "td a", "td i", "small", ".heat .h8", ".heat .h0", ".plot text", "summary .with"]
  .map(css => document.querySelector(css)).filter(Boolean).map(element => {
    const style = getComputedStyle(element), under = grounds(element);
    const text = element.matches("text") ? style.fill : style.color;
    const [one, other] = [luminance(over(under)), luminance(over([...under, text]))].sort((a, b) => b - a);
    return { element: element.outerHTML.slice(0, 60), contrast: (one + 0.05) / (other + 0.05) };
  });
"""
