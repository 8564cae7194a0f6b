"""Lines of a CSV: their kinds, and one error that names the line for each defect."""

import pytest

from benchmarks.common.lines import read_lines

COLUMNS = {"row": str, "seed": int, "miou": float}
TEXT = 'row,seed,miou,note\ngavs,0,0.5,"a, b"\n\ngavs,1,,\n'


def test_columns_have_their_kinds_and_others_stay_text():
    frame = read_lines(TEXT, COLUMNS, ("row", "seed"))
    assert list(frame.columns) == ["row", "seed", "miou", "note"]
    assert frame.seed.tolist() == [0, 1] and frame.seed.dtype == int
    assert frame.miou[0] == 0.5 and frame.miou.isna().tolist() == [False, True]
    assert frame.note.tolist() == ["a, b", ""]
    assert list(read_lines("row,seed,miou\n", COLUMNS).columns) == [*COLUMNS]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column row, seed, miou in line 1, ''"),
        ("row,seed\n", "no column miou in line 1, 'row,seed'"),
        (f"<<<<<<< HEAD\n{TEXT}", "no column row, seed, miou in line 1, '<<<<<<< HEAD'"),
        (f"{TEXT}=======\n", "line 5: 1 values, expected 4 as line 1 has: '======='"),
        (f"{TEXT}gavs,2,0.5,,\n", "line 5: 5 values, expected 4 as line 1 has: 'gavs,2,0.5,,'"),
        (f"{TEXT}gavs,2,abc,\n", "line 5: miou 'abc', expected a number or nothing"),
        (f"{TEXT}gavs,x,0.5,\n", "line 5: seed 'x', expected a whole number"),
        (f"{TEXT}gavs,,0.5,\n", "line 5: seed '', expected a whole number"),
        (f"{TEXT}gavs,0,0.6,\n", "line 5: row gavs, seed 0 again, as in line 2; expected once"),
        (f'{TEXT}gavs,2,0.5,"\n', "unexpected end of data"),
    ],
)
def test_a_defect_is_named_by_its_line(text, message):
    with pytest.raises(Exception) as raised:
        read_lines(text, COLUMNS, ("row", "seed"))
    assert str(raised.value) == message
