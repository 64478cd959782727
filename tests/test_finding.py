import json
from itertools import permutations

import pytest

from bayes_coprod.finding import Finding, Findings

WORST_FIRST = ("fail", "warn", "unknown", "pass")


def finding(status, check="R-hat", where="beta"):
    return Finding(check, status, where, 1.2, 1.01, "It is 1.2.", "Draw more.")


def test_a_finding_reads_as_one_line():
    assert str(finding("fail")) == "fail     R-hat (beta): It is 1.2. Draw more."


def test_place_and_remedy_are_left_out_where_there_is_none():
    assert (
        str(Finding("R-hat", "pass", "", 1.0, 1.01, "All are 1.")) == "pass     R-hat: All are 1."
    )


@pytest.mark.parametrize("order", list(permutations(WORST_FIRST)))
def test_worst_comes_first_whatever_the_order_of_the_checks(order):
    findings = Findings(finding(status) for status in order)
    assert tuple(f.status for f in findings) == order
    assert tuple(f.status for f in findings.by_severity()) == WORST_FIRST
    assert [line.split()[0] for line in repr(findings).splitlines()] == list(WORST_FIRST)


def test_equally_bad_ones_keep_the_order_of_the_checks():
    findings = Findings([finding("warn", "b"), finding("fail", "c"), finding("warn", "a")])
    assert [f.check for f in findings.by_severity()] == ["c", "b", "a"]


@pytest.mark.parametrize("worst", range(4))
def test_the_status_of_all_is_the_worst_of_them(worst):
    assert Findings(finding(s) for s in WORST_FIRST[worst:]).status == WORST_FIRST[worst]


def test_nothing_checked_is_unknown_never_pass():
    assert Findings().status == "unknown"
    assert repr(Findings()) == "No findings: nothing was checked."
    assert Findings().to_frame().empty


def test_only_keeps_the_statuses_asked_for():
    findings = Findings(finding(status) for status in WORST_FIRST)
    assert [f.status for f in findings.only("fail", "pass")] == ["fail", "pass"]
    assert isinstance(findings.only("warn"), Findings)


def test_frame_has_a_row_a_finding_and_a_column_a_field():
    table = Findings([finding("pass"), finding("fail", where="tau")]).to_frame()
    assert list(table) == ["check", "status", "where", "value", "limit", "message", "remedy"]
    assert list(table["where"]) == ["beta", "tau"]


def test_machines_read_plain_mappings():
    findings = Findings([finding("pass"), finding("fail", where="tau")])
    read = json.loads(json.dumps(findings.to_dict()))
    assert read["status"] == "fail"
    assert [Finding(**row) for row in read["findings"]] == list(findings)


def test_html_escapes_names_from_the_data():
    page = Findings([finding("fail", where="<script>")])._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
