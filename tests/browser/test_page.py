"""The page in a real browser: what it does, that it says nothing to anyone, and what it looks like.

Screenshots go to the folder $EVAR_SCREENSHOTS where it is set.
"""

import base64
import json
import os
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from evar.testing.made_results import EVIL

SECONDS = 20  # to wait at most; a page that does it at once is not slower for it
DESKTOP, PHONE = (1280, 900), (360, 740)


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
    ("name", "size", "dark"), [("light", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False)]
)
def test_screenshots(browser, name, size, dark, tmp_path):
    """The whole page with one run open, as a picture that is not of one colour."""
    look(browser, *size, dark=dark)
    browser.execute_script("document.querySelector('details.run').open = true")
    wait(browser, lambda: (ground(browser) < 60) == dark)
    height = browser.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": size[0], "height": height, "scale": 1}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    folder = Path(os.environ.get("EVAR_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"page-{name}.png"
    file.write_bytes(base64.b64decode(shot["data"]))
    assert file.stat().st_size > 50_000


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
