"""The report, read as a person's tools read it: the page in a browser that may not use the network, and the text."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from records import record

from profiles.__main__ import main
from profiles.judge.compare import compare
from profiles.judge.verdict import checks
from profiles.model.figures import OperatorRow
from profiles.model.record import Record
from profiles.show.places import check_places
from profiles.show.report import html, markdown, write_report
from sdk.errors import ProfileError

NAMES = ("s2 fp32 xnnpack", "s5 fp32 xnnpack", "s6 int8 xnnpack")
PLOTS = ("changes", "comparison", "latency", "histogram", "timeline", "memory")
SECTIONS = ("verdict", *PLOTS, "artefacts", "operators", "estimates", "skipped", "environment")
_VOID = {"meta", "link", "br", "img", "hr", "input"}


def full() -> Record:
    made = record(NAMES)
    assert made.device
    return dataclasses.replace(made, checks=checks(made.artifacts, made.cases, made.estimates, made.device))


@pytest.fixture(scope="module")
def page() -> str:
    return html(full(), compare(record(NAMES, seed=40), full()))


class Reader(HTMLParser):
    """Collects what a page would fetch, its ids, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "xlink:href", "src", "srcset", "data", "action"):
                (self.anchors if (value or "").startswith("#") else self.fetched).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert set(reader.fetched) == {"data:,"}, "only the empty icon, so that no browser asks for one"
    assert len(reader.ids) == len(set(reader.ids)), "plots do not share ids"
    assert {anchor[1:] for anchor in reader.anchors} <= set(reader.ids)
    assert not re.search(r"@import|url\((?!#)|https?://|<script|//cdn", page)


def test_every_section_and_every_plot_is_there(page: str) -> None:
    for section in SECTIONS:
        assert f'<section id="{section}">' in page or f'id="plot-{section}"' in page, section
    for plot in PLOTS:
        svg = re.search(rf'<figure id="plot-{plot}">(<svg.*?</svg>)\s*<figcaption>', page, re.DOTALL)
        assert svg, plot
        drawn = ET.fromstring(svg[1])
        assert len(list(drawn.iter("path"))) > 4
        assert any((text.text or "").strip() for text in drawn.iter("text")), "text stays text"


def test_every_figure_carries_its_label(page: str) -> None:
    for words in ("measured here, ± 3 %", "measured on device, ± 3 %", "estimated, ± 43 %"):
        assert words in page
    for row in re.findall(r"<tr>(?:(?!</tr>).)*real-time factor.*?</table>", page, re.DOTALL):
        assert row.count("<tr>") - 1 == row.count('class="label')


def test_what_others_wrote_is_text(page: str) -> None:
    assert "Test &amp; Co &lt;CPU&gt;" in page
    assert "<CPU>" not in page


@pytest.mark.parametrize("name", ["$x^{$", "<script>alert(1)</script>", "a & b"])
def test_any_name_is_drawn_and_is_text(name: str) -> None:
    made = Record.from_json(full().to_json().replace(json.dumps(NAMES[0])[1:-1], json.dumps(name)[1:-1]))
    drawn, text = html(made), markdown(made)
    shown = name.replace("&", "&amp;").replace("<", "&lt;")
    assert shown in text
    assert "<" not in text
    assert shown.replace(">", "&gt;") in drawn
    assert "<script" not in drawn


def test_markdown_says_the_same() -> None:
    made = full()
    text = markdown(made, compare(record(NAMES, seed=40), made))
    for facts in made.artifacts:
        assert f"**{facts.name}: " in text
    assert "late frames" in text
    assert "| convolution #2 |" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    lines = text.splitlines()
    for before, after in pairwise(lines):
        assert not (before.startswith("|") and after and not after.startswith("|")), "a table ends with an empty line"
        assert not (after.startswith(("#", "**")) and before), "a heading has air above it"


def test_a_record_without_anything_optional_still_makes_a_report(tmp_path: Path) -> None:
    """No device, no memory, no operators, no pace: their sections are left out, not empty."""
    made = record(NAMES[:1])
    bare = [dataclasses.replace(c, memory=[], operators=[], latency=[], pace=None) for c in made.cases[:1]]
    made = dataclasses.replace(made, cases=bare, device=None, estimates=[], predictions=[], checks=[], skipped=[])
    page = html(made)
    assert 'id="comparison"' in page
    for gone in ("verdict", "changes", "latency", "timeline", "memory", "operators", "estimates", "skipped"):
        assert f'<section id="{gone}">' not in page
        assert f'href="#{gone}"' not in page
    write_report(dataclasses.replace(made, cases=[]), tmp_path)
    assert "Environment" in (tmp_path / "report.html").read_text("utf-8")


def test_files_are_written_or_the_reason_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = full()
    made.write(tmp_path / "in.json")
    assert main(["render", str(tmp_path / "in.json"), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    assert Record.read(tmp_path / "out" / "report.json") == made
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError, match="cannot make the folder"):
        write_report(made, tmp_path / "file" / "out")
    assert main(["render", str(tmp_path / "none.json"), "--out", str(tmp_path)]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_what_was_measured_is_written_even_if_it_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = full()
    made.write(tmp_path / "new.json")
    other = dataclasses.replace(made.environment, cpu="Another")
    dataclasses.replace(made, environment=other).write(tmp_path / "old.json")
    arguments = [str(tmp_path / "new.json"), "--out", str(tmp_path / "out"), "--against", str(tmp_path / "old.json")]
    assert main(["render", *arguments]) == 2
    assert "different processors" in capsys.readouterr().err
    assert (tmp_path / "out" / "report.html").exists()


def test_a_missing_library_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("profiles.__main__.find_spec", lambda name: None if name == "jinja2" else object())
    assert main(["render", str(tmp_path / "none.json"), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: reports need jinja2: pip install -e '.[profile]' in tinyface's folder\n"


def test_operators_without_a_time_are_said_and_shown_by_their_work() -> None:
    """As of every small stream student: the tracer counts whole microseconds."""
    one = OperatorRow("convolution #0", "convolution", "xnnpack", 1, None, 0, 8, "measured_here")
    rows = [dataclasses.replace(one, name=f"convolution #{n}", macs=1000 * n) for n in range(20)]
    small = dataclasses.replace(record(NAMES).cases[0], operators=rows)
    made = dataclasses.replace(record(NAMES), cases=[small])
    for text in (markdown(made), html(made)):
        assert "6 more. None of them reaches the microsecond" in text
        assert text.index("convolution #19") < text.index("convolution #7")
        assert "0.0 %" not in text[text.index("Where the time goes") :][:4000]
    mixed = dataclasses.replace(small, operators=[dataclasses.replace(rows[0], us=3.0), *rows[1:]])
    assert "6 more: 0.0 % of that time. 19 of 20 do not reach" in markdown(dataclasses.replace(made, cases=[mixed]))


def browser() -> str:
    """A Chromium, or the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here to open the page with")


@pytest.mark.parametrize("width", [1240, 390])
def test_a_browser_without_network_shows_it(width: int, page: str, tmp_path: Path) -> None:
    """The page after the browser built it: plots as large as they were drawn for, nothing wider than the window.

    In a frame, for a browser without a screen has no narrow window.
    """
    probe = """<script>addEventListener("load", () => {
      const size = f => { const box = f.firstElementChild.getBoundingClientRect();
                          return `${f.id}=${Math.round(box.width)}x${Math.round(box.height)}`; };
      const seen = [...document.querySelectorAll("figure")].map(size).join(" ");
      const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
      const asked = performance.getEntriesByType("resource").length;
      parent.postMessage(`${seen} overflow=${wide} asked=${asked}`, "*");
    });</script></body>"""
    (tmp_path / "page.html").write_text(page.replace("</body>", probe), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"""<iframe src="page.html" width="{width}" height="900" style="border:0"></iframe>
        <script>onmessage = e => document.body.innerHTML = `<p id="seen">${{e.data}}</p>`;</script>"""
    )
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000", "--dump-dom",
        "--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    seen = re.search(r'<p id="seen">(.*?)</p>', done.stdout)
    assert seen, done.stderr[-500:]
    sizes = dict(re.findall(r"plot-(\w+)=(\d+x\d+)", seen[1]))
    assert set(sizes) == set(PLOTS)
    for size in sizes.values():
        wide, height = map(int, size.split("x"))
        assert wide >= 900
        assert height > 80
    assert "overflow=0 asked=0" in seen[1]


def test_reports_that_are_read_or_another_s_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"choice": {}}')
    with pytest.raises(ProfileError, match="holds the report of a build"):
        check_places(tmp_path, ())
    write_report(record(), tmp_path)
    check_places(tmp_path, ())
    with pytest.raises(ProfileError, match="is read by this command"):
        check_places(tmp_path, (), (tmp_path / "report.json",))
    with pytest.raises(ProfileError, match="is read by this command"):
        check_places(tmp_path / "new", (tmp_path / "report.json",), (tmp_path / "report.json",))
