"""The page of recommendations as one file, looked at in a browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recbole_mmm4rec.cli import app
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.dataset_facts import read_dataset
from recbole_mmm4rec.recommend.page import PageOrder, write_page
from tests.browser import chromium
from tests.recommend.trained import recommender, trained

NASTY = "</script><script>document.title='taken'</script> & <b>bold</b>"


def past() -> list[tuple[str, int]]:
    """A history of eight items that the model knows, the one with the hostile title among them."""
    known = sorted(recommender("MMM4Rec").items, key=lambda item: (item not in ("i2", "i4"), item))
    return [(item, 1_500_000_000 + place) for place, item in enumerate(known[:8])]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Titles of all items, one of them hostile, and a picture of every second one, one of them damaged."""
    folder, pictures = tmp_path / "tiny", tmp_path / "pictures"
    folder.mkdir()
    pictures.mkdir()
    titles = [f"Thing number {item}" for item in range(60)]
    titles[2] = NASTY
    rows = "\n".join(f"i{item}\t{title}" for item, title in enumerate(titles))
    (folder / "tiny.item").write_text(f"item_id:token\ttitle:token_seq\n{rows}\n")
    for item in range(0, 60, 2):
        Image.new("RGB", (30, 40), (4 * item, 90, 120)).save(pictures / f"i{item}.png")
    (pictures / "i4.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture
def histories(tmp_path: Path) -> Path:
    path = tmp_path / "histories.csv"
    rows = [f"{user},{item},{time}" for user in ("ann", "bob", "cy") for item, time in past()]
    rows.append("dee,i7,1500000000")
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def page(dataset: Path, histories: Path, tmp_path: Path) -> Path:
    known = read_dataset(dataset, dataset.parent / "pictures")
    path = tmp_path / "recs.html"
    assert write_page(recommender("MMM4Rec"), known, PageOrder(histories, path, k=4), False) == 4
    return path


def content(page: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert found
    return json.loads(found[1])


def test_what_it_says_is_what_the_recommender_says(page: Path) -> None:
    data, made = content(page), recommender("MMM4Rec")
    history, times = map(list, zip(*past(), strict=True))
    expected = made.recommend(history, times, k=4)
    ann = data["users"][0]
    assert [event["item"] for event in ann["history"]] == history
    assert [event["time"] for event in ann["history"]] == times
    assert [row["item"] for row in ann["items"]] == expected["item"].tolist()
    best = ann["items"][0]
    reasons = made.explain(history, best["item"], times).dropna(subset="effect")
    assert [reason["effect"] for reason in best["why"]] == pytest.approx(reasons["effect"].tolist(), abs=1e-5)
    assert data["users"][3]["items"][0]["why"][0]["left_out"] != "history item"  # of one item there is none
    assert data["catalogue"]["i2"]["title"] == NASTY
    assert data["catalogue"]["i2"]["picture"].startswith("data:image/jpeg;base64,")
    assert data["catalogue"]["i4"]["picture"] is None  # damaged
    assert not re.search(r'(src|href)="(?!data:|#)', page.read_text())  # nothing from elsewhere


@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_in_a_browser(page: Path, width: int, dark: bool) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with chromium(width, dark=dark) as browser:
        browser.get(page.as_uri())
        assert browser.title == "Recommendations of MMM4Rec"  # no title has run as code
        cards = browser.find_elements(By.CSS_SELECTOR, "#items .card")
        assert len(cards) == 4
        score = content(page)["users"][0]["items"][0]["score"]
        shown = cards[0].find_element(By.CLASS_NAME, "more").text
        assert float(shown.split("score ")[1].split()[0]) == pytest.approx(score, rel=6e-3)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        images = browser.find_elements(By.CSS_SELECTOR, "img, .blank")
        assert len(images) == 4 + 8
        assert all(image.get_attribute("alt") or image.get_attribute("aria-label") for image in images)
        ground = "return getComputedStyle(document.body).backgroundColor"
        first = browser.execute_script(ground)
        browser.find_element(By.ID, "theme").click()
        assert browser.execute_script(ground) != first
        assert (sum(map(int, re.findall(r"\d+", first)[:3])) < 200) == dark

        browser.find_element(By.ID, "words").send_keys("number 17" + Keys.ENTER)
        found = [
            card.get_attribute("data-item") for card in browser.find_elements(By.CSS_SELECTOR, "#found .card")
        ]
        assert found == ["i17"]

        second = browser.find_element(By.CSS_SELECTOR, "[data-user=ann]")
        second.send_keys(Keys.ARROW_DOWN)
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        current = browser.find_element(By.CSS_SELECTOR, "#users [aria-current=true]")
        assert current.get_attribute("data-user") == "bob"

        browser.find_elements(By.CSS_SELECTOR, "#items .card")[0].send_keys(Keys.ENTER)
        why = browser.find_element(By.ID, "why")
        assert why.is_displayed()
        assert len(why.find_elements(By.CSS_SELECTOR, ".reason")) == 8 + 2 + 2
        browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert not why.is_displayed()
        assert not browser.get_log("browser")


def test_bad_input_leaves_the_old_page(histories: Path, tmp_path: Path, dataset: Path) -> None:
    made, path = recommender("MMM4Rec"), tmp_path / "recs.html"
    path.write_text("old")
    histories.write_text("user_id,item_id\nann,unheard\n")
    with pytest.raises(UserError, match="no history with an item that the model knows"), pytest.warns():
        write_page(made, read_dataset(None), PageOrder(histories, path), False)
    with pytest.raises(UserError, match="--page-users: 0 is not above 0"):
        write_page(made, read_dataset(None), PageOrder(histories, path, most=0), False)
    with pytest.raises(UserError, match="no such folder nowhere"):
        write_page(made, read_dataset(None), PageOrder(histories, Path("nowhere/recs.html")), False)
    assert path.read_text() == "old"


def test_by_the_command(
    dataset: Path, histories: Path, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(trained("MMM4Rec")[0])
    asked = ["recommend", checkpoint, f"--users={histories}"]
    assert app.main(asked) == 2
    assert "--output or --page" in capsys.readouterr().err
    assert app.main([*asked, "--page=p.html", "--page-users=2", f"--dataset={dataset}", "--k=3"]) == 0
    assert capsys.readouterr().out == "p.html: a page of 2 users\n"
    data = content(Path("p.html"))
    assert [user["user"] for user in data["users"]] == ["ann", "bob"]
    assert data["catalogue"]["i2"]["title"] == NASTY
