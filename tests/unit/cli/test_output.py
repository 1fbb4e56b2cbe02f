import pytest

from wireloom.cli.output import print_json, table


def test_columns_are_aligned_and_rows_have_no_trailing_spaces() -> None:
    assert table(("A", "LONG"), [("abc", "x"), ("d", "")]) == "A    LONG\nabc  x\nd"


def test_json_for_programs_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, "ü"]})
    assert capsys.readouterr().out == '{"a":[1,"ü"]}\n'
