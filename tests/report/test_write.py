import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from bayes_coprod.diagnostics.fit import check_fit
from bayes_coprod.errors import CoprodError, SpecError
from bayes_coprod.finding import Findings
from bayes_coprod.inference.fit import load_fit, save_fit
from bayes_coprod.report import write
from bayes_coprod.report.collect import collect_report
from bayes_coprod.report.data import Code, DriverFigure, Formula, GulfFigure, Paragraph, Table
from bayes_coprod.report.write import render_html, write_report
from bayes_coprod.survey.coverage import check_survey
from bayes_coprod.survey.read import read_survey

NAMESPACES = {
    ("math", "xmlns", "http://www.w3.org/1998/Math/MathML"),
    ("svg", "xmlns", "http://www.w3.org/2000/svg"),
    ("svg", "xmlns:xlink", "http://www.w3.org/1999/xlink"),
}
LEVELS = {"Austria": (60, 20), "Belgium": (40, 20), "Cyprus": (50, 10)}
NASTY = '<script>alert(1)</script> Tom & "Jerry\'s"'
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the text in each."""

    def __init__(self, html):
        super().__init__()
        self.elements = []  # (tag, attributes, ancestors' tags)
        self.said = []  # (text, tags around it)
        self.cells = {}  # table's id -> rows of (text, classes)
        self._open = []
        self._table = None
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self._begin(tag, dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._begin(tag, dict(attrs))

    def _begin(self, tag, attributes):
        self.elements.append((tag, attributes, tuple(self._open)))
        if tag == "div" and attributes.get("id", "").startswith("table-"):
            self._table = self.cells.setdefault(attributes["id"], [])
        if tag == "tr":
            self._table.append([])
        if tag in ("td", "th"):
            self._table[-1].append(["", set(attributes.get("class", "").split())])

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.said.append((data, tuple(self._open)))
        if {"td", "th"} & set(self._open):
            self._table[-1][-1][0] += data

    def count(self, tag):
        return sum(name == tag for name, _, _ in self.elements)

    def text(self, tag=None):
        """Text that is shown, or that stands in one kind of element."""
        return "".join(
            data
            for data, around in self.said
            if (tag in around if tag else not {"style", "title"} & set(around))
        )

    def attribute(self, name):
        return [attributes[name] for _, attributes, _ in self.elements if name in attributes]


def blocks(report, kind):
    return [block for part in report.sections for block in part.blocks if isinstance(block, kind)]


def squeezed(text):
    """Text without blanks, since figures break their labels into lines."""
    return re.sub(r"\s", "", text)


@pytest.fixture(scope="module")
def html(five_report):
    return render_html(five_report)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture
def nasty(told, small_frame, small_book):
    """A fit to a survey that has markup wherever text from data can stand."""
    book = small_book
    book["survey"].update(name=f"Survey {NASTY}", source=f"Source {NASTY}")
    forms = {"alone": "alone <b>", "together": "together &amp;"}
    book["survey"]["forms"] = list(forms.values())
    for name, item in book["items"].items():
        item.update(label=f"{name} {NASTY}", form=forms[item["form"]])
        item["sector"] = f"<i>{item['sector']}"
    for name, driver in book["drivers"].items():
        driver["label"] = f"{name} {NASTY}"
    book["drivers"]["age"]["unit"] = "<years>"
    book["drivers"]["school"]["categories"] = ["<low>", "mid", "high"]
    book["country"]["labels"] = {
        "Austria": f"Austria {NASTY}",
        "Belgium": "<img src=x onerror=alert(1)>",
        "Cyprus": "Cyprus &lt;",
    }
    frame = small_frame.replace({"school": {"low": "<low>"}})
    question = f"Question {NASTY}?"
    return lambda **content: told(read_survey(frame, book), question=question, **content)


# One file that needs nothing else


@pytest.mark.parametrize("which", ["page", "nasty"])
def test_nothing_is_loaded(which, request):
    if which == "page":
        page = request.getfixturevalue("page")
    else:
        page = Page(render_html(collect_report(request.getfixturevalue("nasty")())))
    tags = {tag for tag, _, _ in page.elements}
    assert not tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "image",
    }
    for tag, attributes, _ in page.elements:
        for name, value in attributes.items():
            if (tag, name, value) in NAMESPACES:
                continue
            assert not name.startswith("on"), (tag, name)
            assert "srcset" not in name
            if name in ("src", "href", "xlink:href", "data", "poster", "action"):
                assert value.startswith(("#", "data:text/csv")), (tag, name, value)
            else:
                assert "//" not in value, (tag, name, value)
            assert "@import" not in value
            assert not re.search(r"url\((?!#)", value), (tag, name, value)
    styles = page.text("style")
    assert "@media print" in styles
    assert not re.search(r"@import|url\(|//", styles)


def test_it_says_how_to_be_read_on_a_phone_and_in_which_language(page):
    metas = [attributes for tag, attributes, _ in page.elements if tag == "meta"]
    assert {"charset": "utf-8"} in metas
    assert any(m.get("name") == "viewport" and "device-width" in m["content"] for m in metas)
    assert ("html", {"lang": "en"}, ()) in page.elements


def test_wide_tables_scroll_by_themselves(page):
    boxes = [attributes.get("class") for tag, attributes, _ in page.elements if tag == "div"]
    assert boxes.count("wide") == page.count("table")


# Everything that is said, in its order


def test_all_that_was_collected_is_on_the_page(page, five_report):
    shown = page.text()
    for said in (
        five_report.headline,
        five_report.banner,
        five_report.colophon,
        *(part.heading for part in five_report.sections),
        *(block.text for block in blocks(five_report, Paragraph | Code)),
        *(block.words for block in blocks(five_report, Formula)),
        *(block.caption for block in blocks(five_report, Table | GulfFigure | DriverFigure)),
        *(finding.message for finding in blocks(five_report, Findings)[0]),
    ):
        assert said in shown
    assert page.text("title") == page.text("h1") == five_report.title


def test_there_are_two_levels_of_heading(page, five_report):
    assert [page.count(f"h{level}") for level in (1, 2, 3, 4)] == [
        1,
        len(five_report.sections),
        0,
        0,
    ]


def test_the_banner_comes_first_then_the_headline_then_the_gulf(page, five_report):
    shown = page.text()
    positions = [
        shown.index(said)
        for said in (five_report.banner, five_report.title, five_report.headline, "The gulf")
    ]
    assert positions == sorted(positions)


def test_a_failed_check_is_said_before_any_number(hand_made, with_draws):
    fit = hand_made(LEVELS)
    elsewhere = fit.posterior["residual_sd"] + 5 * (fit.posterior["chain"] == 0)
    report = collect_report(with_draws(fit, residual_sd=elsewhere.transpose("chain", ...)))
    assert report.failed
    page = Page(render_html(report))
    alarm = next(attributes for _, attributes, _ in page.elements if "role" in attributes)
    assert alarm == {"class": "alarm", "role": "alert"}
    before, _, _ = page.text().partition(report.headline)
    assert "do not quote" in before
    for finding in report.failed:
        assert finding.message in before
        assert finding.remedy in before
    assert max(Counter(page.attribute("id")).values()) == 1


def test_no_check_is_said_to_have_failed_where_none_did(page):
    assert "A check failed" not in page.text()
    assert "alert" not in page.attribute("role")


def test_real_data_have_no_banner(hand_made):
    report = collect_report(hand_made(LEVELS))
    assert "banner" not in Page(render_html(report)).attribute("class")


# Figures and formulas


def test_every_figure_has_alternative_text_that_says_what_it_shows(page, five_report):
    images = [a for tag, a, _ in page.elements if tag == "svg"]
    figures = blocks(five_report, GulfFigure | DriverFigure)
    assert [(a["role"], a["aria-label"]) for a in images] == [("img", f.alt) for f in figures]
    for row in figures[0].rows:
        assert f"{row.place} {row.gap}" in images[0]["aria-label"]


def test_figures_grow_with_the_page(page):
    for attributes in (a for tag, a, _ in page.elements if tag == "svg"):
        assert "viewbox" in attributes
        assert not {"width", "height"} & set(attributes)


def test_figures_and_tables_have_captions(page):
    captions = [around[-1] for tag, _, around in page.elements if tag == "figcaption"]
    assert captions == ["figure"] * page.count("figure")


def test_formulas_are_mathml(page, five_report):
    formulas = blocks(five_report, Formula)
    assert page.count("math") == len(formulas) == 4
    shown = page.text("math")
    assert "\\" not in shown
    assert "$" not in page.text("p")
    for sign in "ΣβγτN∑":
        assert sign in shown


@pytest.mark.parametrize("which", ["page", "by sector"])
def test_ids_are_unique(which, request):
    if which == "page":
        page = request.getfixturevalue("page")
    else:
        told, small = request.getfixturevalue("told"), request.getfixturevalue("small")
        page = Page(render_html(collect_report(told(small, outcomes=["form", "sector"]))))
        assert page.count("svg") == 3
    ids = Counter(page.attribute("id"))
    assert {identity for identity, n in ids.items() if n > 1} == set()
    targets = [value for value in page.attribute("xlink:href") if value.startswith("#")]
    assert targets
    assert {target.removeprefix("#") for target in targets} <= set(ids)


# Tables


def test_tables_show_their_cells_with_numbers_on_the_right(page, five_report):
    tables = blocks(five_report, Table)
    assert len(tables) == 10
    for table in tables:
        header, *rows = page.cells[f"table-{table.name}"]
        assert [text for text, _ in header] == list(table.header)
        assert [tuple(text for text, _ in row) for row in rows] == list(table.rows)
        for row in (header, *rows):
            for column, (_, classes) in enumerate(row):
                side = "gt_left" if column < table.n_labels else "gt_right"
                assert classes & {"gt_left", "gt_right", "gt_center"} == {side}


def test_figures_of_tables_have_the_same_width(page):
    assert "tabular-nums" in page.text("style")


def test_findings_are_shown_worst_first(page, five_report):
    (findings,) = blocks(five_report, Findings)
    _, *rows = page.cells["table-findings"]
    assert [row[1][0] for row in rows] == [f.check for f in findings.by_severity()]
    assert all(f.status in row[0][0] for f, row in zip(findings.by_severity(), rows, strict=True))


def test_every_table_can_be_saved_as_csv(page, five_report):
    links = {a["download"]: a["href"] for tag, a, _ in page.elements if tag == "a"}
    tables = blocks(five_report, Table)
    assert set(links) == {f"{table.name}.csv" for table in tables}
    for table in tables:
        kind, _, data = links[f"{table.name}.csv"].partition(",")
        assert kind == "data:text/csv;charset=utf-8"
        assert unquote(data) == table.csv


# Text from data


@pytest.mark.parametrize("outcomes", [["form"], ["form", "sector"]], ids=str)
def test_text_from_data_is_text(nasty, outcomes):
    fit = nasty(outcomes=outcomes)
    report = collect_report(fit)
    html = render_html(report)
    assert "<script" not in html.lower()
    page = Page(html)
    assert not {"img", "years", "low", "i", "b"} & {tag for tag, _, _ in page.elements}
    shown = page.text()
    said = [f"Survey {NASTY}", f"Source {NASTY}", f"Question {NASTY}", f"Austria {NASTY}"]
    said += [item.label for item in fit.codebook.items]
    said += ["<img src=x onerror=alert(1)>", "Cyprus &lt;", "per\N{NO-BREAK SPACE}10", "<years>"]
    for text in said:
        assert text in shown, text
    in_figures = squeezed(page.text("text"))
    for text in (*fit.countries, *(driver.label for driver in fit.codebook.drivers), "<low>"):
        assert squeezed(text) in in_figures, text
    # attributes: what a screen reader says, and the file to save
    alternatives = page.attribute("aria-label")
    assert [f.alt for f in blocks(report, GulfFigure | DriverFigure)] == alternatives
    assert f"Austria {NASTY}" in alternatives[0]
    for table in blocks(report, Table):
        rows = page.cells[f"table-{table.name}"]
        assert [text for text, _ in rows[0]] == list(table.header)
        assert [tuple(text for text, _ in row) for row in rows[1:]] == list(table.rows)
        assert table.csv in [unquote(href.partition(",")[2]) for href in page.attribute("href")]


def test_text_from_data_is_not_escaped_twice(nasty):
    shown = Page(render_html(collect_report(nasty()))).text()
    # the data hold `&lt;` and `&amp;` themselves, after a country and a form
    rest = shown.replace("Cyprus &lt;", "").replace("ogether &amp;", "")
    assert not re.search(r"&(amp|lt|gt|quot|#\w+);", rest)


# Writing


def test_the_same_fit_gives_the_same_bytes(fit, html, tmp_path):
    path = write_report(fit, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert path.read_bytes() == html.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_loaded_fit_gives_the_same_bytes(flat_fit, tmp_path):
    loaded = load_fit(save_fit(flat_fit, tmp_path / "fit.nc"))
    one, other = write_report(flat_fit, tmp_path / "a"), write_report(loaded, tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()


def test_kind_and_mass_are_passed_on(flat_fit, tmp_path):
    path = write_report(flat_fit, str(tmp_path / "report.html"), prob=0.5, kind="hdi")
    text = path.read_text(encoding="utf-8")
    assert "50 % highest-density credible interval" in text
    assert "89 %" not in text


def test_what_is_no_interval_is_refused_and_nothing_written(flat_fit, tmp_path):
    with pytest.raises(SpecError, match="prob = 89 is no probability"):
        write_report(flat_fit, tmp_path / "report.html", prob=89)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["reports/report.html", "."], ids=["no folder", "a folder"])
def test_a_place_that_cannot_hold_a_report_is_refused(flat_fit, tmp_path, place):
    with pytest.raises(CoprodError, match="write_report: .*(folder|file)"):
        write_report(flat_fit, tmp_path / place)
    assert list(tmp_path.iterdir()) == []


def stop_writing(self, text, **_):
    """As `Path.write_text` on a disk that is full half-way."""
    self.write_bytes(text[: len(text) // 2].encode())
    raise OSError(28, "No space left on device")


def stop_drawing(_):
    raise ZeroDivisionError("a figure that cannot be drawn")


@pytest.mark.parametrize(
    ("owner", "name", "stop", "error"),
    [
        (Path, "write_text", stop_writing, OSError),
        (write, "draw_drivers", stop_drawing, ZeroDivisionError),
    ],
    ids=["writing fails", "a figure fails"],
)
def test_what_fails_leaves_the_old_report_and_nothing_else(
    flat_fit, tmp_path, monkeypatch, owner, name, stop, error
):
    path = tmp_path / "report.html"
    path.write_bytes(b"the report of last week")
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        with pytest.raises(error):
            write_report(flat_fit, path)
    assert path.read_bytes() == b"the report of last week"
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_takes_the_findings_of_its_own_fit_alone(told, small, tmp_path):
    fit, other = told(small), told(small, vary_by_country="none")
    own = check_fit(fit)
    for findings in (check_fit(other), check_survey(small), list(own), own.only("pass")):
        with pytest.raises(SpecError, match="not what check_fit returned for this fit"):
            write_report(fit, tmp_path / "report.html", findings=findings)
    assert not list(tmp_path.iterdir())
    write_report(fit, tmp_path / "report.html", findings=own)
