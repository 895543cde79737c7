"""make report: one file that needs no other; sorted, filtered and free of errors in a real browser."""

import html
import re
import shutil
from pathlib import Path

import pytest

from paths import FIXTURE

jinja2 = pytest.importorskip("jinja2")
import conclusion
import report
import results

if not (report.JAVASCRIPT / report.TABLES).exists():
    pytest.skip("DataTables is not installed; scripts/setup/setup.sh report installs it", allow_module_level=True)


@pytest.fixture(name="run")
def copied_run(tmp_path):
    """The fixture where a report may be written beside it."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "run"))


def test_a_report_holds_every_row_and_asks_for_nothing(run):
    (run / "ladder.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>")
    assert report.main([str(run)]) == 0
    text = (run / "report.html").read_text()
    for row in results.load(run).rows:
        assert f'"{row.variant}"' in text and f'"{row.problem}"' in text
    for line in conclusion.conclude(results.load(run)).text()[1:-2]:
        for cell in line.split("  "):
            assert html.escape(cell.strip()) in text
    assert "data:image/svg+xml;base64," in text
    page = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"""(?:src|href)=(?!["']?data:)""", page)
    assert not re.search(r"""url\((?!["']?data:)""", page)


def test_a_link_in_the_place_of_the_report_stays(run, tmp_path):
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "real.html")
    assert report.main([str(run), "--out", str(link)]) == 0
    assert link.is_symlink() and (tmp_path / "real.html").read_text().startswith("<!")


def test_what_a_file_says_cannot_become_part_of_the_page(run):
    document = results.read_document(run / "bench.json")
    document["context"]["warnings"] = ["</script><script>alert(1)</script>"]
    row = next(row for row in document["benchmarks"] if row["name"].startswith("gemm/naive/"))
    row["name"] = "gemm/<script>alert(2)<b>/1x1:1x1/nn/warm/t1"
    (run / "bench.json").write_text(report.json.dumps(document))
    assert report.main([str(run)]) == 0
    text = (run / "report.html").read_text()
    assert "\\u003cscript>alert(2)" in text and "<script>alert" not in text


def test_the_topology_is_drawn_as_nested_boxes(tmp_path):
    (tmp_path / "topology.xml").write_text(
        '<topology><object type="Machine"><object type="Package" os_index="0"><object type="L3Cache" cache_size="33554432">'
        '<object type="L1iCache" cache_size="32768"><object type="Core" os_index="1"><object type="PU" os_index="1"/>'
        "</object></object></object></object></object></topology>"
    )
    machine = report.topology(tmp_path)
    socket = machine[0][2][0]
    assert (socket[0], socket[1]) == ("package", "socket 0")
    assert socket[2][0][:2] == ("cache", "L3 32 MiB")
    assert socket[2][0][2][0][:2] == ("core", "core 1")
    assert report.topology(tmp_path / "nowhere") == []


def test_a_run_that_cannot_be_read_is_one_line(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "make bench" in said
    assert not list(tmp_path.iterdir())


def test_a_comparison_is_a_page_of_its_own(run, tmp_path):
    out = tmp_path / "comparison.html"
    assert report.main([str(run), str(run), "--out", str(out)]) == 0
    text = out.read_text()
    assert "What differs" not in text and "no difference" in text and "make compare A=" in text


@pytest.fixture(name="browser", scope="module")
def headless_chromium():
    """A browser without a window, its console kept."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options)
    yield driver
    driver.quit()


def column(browser, head):
    """The texts of one column of the page of the table that is shown."""
    heads = [h.text for h in browser.find_elements("css selector", "#rows thead th")]
    cells = browser.find_elements("css selector", f"#rows tbody td:nth-child({heads.index(head) + 1})")
    return [cell.text for cell in cells]


def test_a_browser_sorts_and_filters_the_table(browser, run):
    assert report.main([str(run)]) == 0
    browser.get(f"file://{run}/report.html")
    rows = results.load(run).rows
    assert f"of {len(rows)} entries" in browser.find_element("id", "rows_info").text
    head = next(h for h in browser.find_elements("css selector", "#rows thead th") if h.text == "time, µs")
    for order in (1, -1):
        head.click()
        times = [float(text) for text in column(browser, "time, µs")]
        fastest = sorted((row.seconds * 1e6 for row in rows), reverse=order < 0)
        assert times == pytest.approx(fastest[: len(times)], rel=1e-3)
        assert len(set(times)) > 1
    browser.find_element("css selector", "#filters select[data-column=operation] option[value=gemm]").click()
    assert set(column(browser, "operation")) == {"gemm"}
    browser.find_element("css selector", "#filters select[data-column=operation] option[value='']").click()
    browser.find_element("css selector", "#rows_filter input").send_keys("direct_avx512_omp")
    assert set(column(browser, "variant")) == {"direct_avx512_omp"}
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
