"""The service's own page in a browser: users, searches, histories that change."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.recommend.loading import load
from tests.browser import chromium
from tests.serve.shop import Server, checkpoint, dataset, running


def cards(browser: Any, where: str) -> list[str]:
    """In one step: the page may draw the list anew at any moment."""
    script = "return [...document.querySelectorAll(arguments[0])].map((card) => card.dataset.item)"
    return list(browser.execute_script(script, f"#{where} .card"))


def wait(browser: Any, what: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda _: what())


@pytest.mark.parametrize("width", [400, 1280])
def test_a_visit(server: Server, width: int) -> None:
    from selenium.webdriver.common.keys import Keys

    direct = load(checkpoint(), "cpu")
    with chromium(width) as browser:

        def press(selector: str) -> None:
            browser.execute_script("document.querySelector(arguments[0]).click()", selector)

        browser.get(server.url)
        wait(browser, lambda: len(cards(browser, "items")) == 12)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        browser.find_element("id", "user-query").send_keys("u17")
        press_user = "#users [data-user=u17]"
        wait(browser, lambda: len(browser.find_elements("css selector", "#users button")) == 1)
        press(press_user)
        wait(browser, lambda: browser.find_elements("css selector", press_user + "[aria-current=true]"))
        wait(browser, lambda: len(cards(browser, "items")) == 12)
        history = cards(browser, "history")

        browser.find_element("id", "words").send_keys("red vase" + Keys.ENTER)
        wait(browser, lambda: cards(browser, "found"))
        by_words = direct.search(text="red vase", k=24)["item"].tolist()
        assert cards(browser, "found") == by_words
        press("#found .card button:nth-of-type(2)")  # add it
        wait(browser, lambda: len(cards(browser, "history")) == len(history) + 1)
        assert cards(browser, "history") == [by_words[0], *history]
        press("#history .card button")  # and take it away
        wait(browser, lambda: cards(browser, "history") == history)

        browser.find_element("id", "picture").send_keys(str(dataset() / "images" / "i9.png"))
        wait(browser, lambda: "picture" in browser.find_element("id", "found-note").text)
        picture = direct.search(image=dataset() / "images" / "i9.png", k=24)["item"].tolist()
        wait(browser, lambda: cards(browser, "found") == picture)
        press("#found .card button:nth-of-type(1)")  # what is like it
        wait(browser, lambda: "picture" not in browser.find_element("id", "found-note").text)
        wait(browser, lambda: "Like" in browser.find_element("id", "found-note").text)
        wait(browser, lambda: cards(browser, "found"))
        assert picture[0] not in cards(browser, "found")

        press("#items .card button")
        wait(browser, lambda: browser.find_element("id", "why").is_displayed())
        assert browser.find_elements("css selector", ".reason")
        damaged = "/items/i1/picture "
        assert not [line for line in browser.get_log("browser") if damaged not in line["message"]]


def test_what_goes_wrong_is_one_line(server: Server) -> None:
    with chromium(1280) as browser:
        browser.get(server.url)
        wait(browser, lambda: cards(browser, "items"))
        browser.find_element("id", "picture").send_keys(str(dataset() / "images" / "i1.png"))
        wait(browser, lambda: browser.find_element("id", "problem").is_displayed())
        assert "\n" not in browser.find_element("id", "problem").text
        assert cards(browser, "items")


HOLD = """
const plain = window.fetch;
window.fetch = async (path, ...rest) => {
  if (path !== arguments[0]) return plain(path, ...rest);
  await new Promise((release) => { window.release = release; });
  setTimeout(() => { window.late = true; }, 500);
  return plain(path, ...rest);
};
"""


def test_a_late_answer_about_another_user_is_not_drawn(server: Server) -> None:
    with chromium(1280) as browser:
        browser.get(server.url)
        wait(browser, lambda: cards(browser, "items"))
        browser.execute_script(HOLD, "/users/u1")
        browser.execute_script("document.querySelector('#users [data-user=u1]').click()")
        browser.execute_script("document.querySelector('#users [data-user=u2]').click()")
        chosen = "#users [data-user=u2][aria-current=true]"
        wait(browser, lambda: browser.find_elements("css selector", chosen))
        past = browser.execute_script("return state.history.map((event) => [event.item, event.time])")
        history, times = map(list, zip(*past, strict=True))
        expected = load(checkpoint(), "cpu").recommend(history, times, k=12)["item"].tolist()
        wait(browser, lambda: cards(browser, "items") == expected)
        browser.execute_script("window.release()")
        wait(browser, lambda: browser.execute_script("return window.late"))
        assert cards(browser, "history") == history[::-1]
        assert cards(browser, "items") == expected
        assert browser.find_elements("css selector", chosen)


def test_a_history_longer_than_a_request_may_be(tmp_path: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    rows = "".join(f"ann\ti{place % 50 + 5}\t{1_500_000_000 + place}\n" for place in range(1_100))
    (folder / "long.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}")
    with running(checkpoint(), f"--dataset={folder}") as server, chromium(1280) as browser:
        browser.get(server.url)
        wait(browser, lambda: cards(browser, "items"))
        assert len(cards(browser, "history")) == 1_100
        browser.execute_script("document.querySelector('#history .card button').click()")
        note = browser.find_element("id", "recommended-note")
        wait(browser, lambda: "the last 1,000 items are read" in note.text)
        assert len(cards(browser, "history")) == 1_099
        assert cards(browser, "items")
        assert not browser.find_element("id", "problem").is_displayed()
