"""MovieLens' layouts."""

from pathlib import Path

from tests.prepare.raw_files import START, rows_of, run

FLAGS = ["--min_interactions=1", "--text={title}"]


def test_ml_1m(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(f"1::10::5::{START}\n1::20::3::{START + 7}\nbroken\n".encode())
    (tmp_path / "movies.dat").write_bytes(
        "10::Misérables, Les (1995)::Drama|Musical\n20::Toy: Story (1995)::Comedy\n".encode("latin-1")
    )
    flags = ["--layout=movielens-1m", "--interactions=ratings.dat", "--items=movies.dat", *FLAGS]
    assert run(tmp_path, tmp_path / "out", *flags, name="ml") == 0
    assert rows_of(tmp_path / "out" / "ml" / "ml.item")[0] == {
        "item_id:token": "10",
        "title:token_seq": "Misérables, Les (1995)",
        "year:token": "1995",
        "genres:token_seq": "Drama, Musical",
    }
    assert [row["timestamp:float"] for row in rows_of(tmp_path / "out" / "ml" / "ml.inter")] == [
        str(START),
        str(START + 7),
    ]


def test_csv_with_quotes_and_no_genres(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n1,2,3.5,{START}\n")
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n2,"American ""President"", The (1995)",(no genres listed)\n'
    )
    flags = ["--layout=movielens", "--interactions=ratings.csv", "--items=movies.csv", *FLAGS]
    assert run(tmp_path, tmp_path / "out", *flags, name="ml") == 0
    item = rows_of(tmp_path / "out" / "ml" / "ml.item")[0]
    # double quotes do not survive RecBole's reader
    assert item["title:token_seq"] == "American 'President', The (1995)"
    assert item["genres:token_seq"] == "(no genres listed)"
    assert rows_of(tmp_path / "out" / "ml" / "ml.inter")[0]["rating:float"] == "3.5"
