"""A benchmark's folder to its report: one page, and its tables for papers and for issue threads."""

from pathlib import Path

from recbole_mmm4rec.benchmark.report.page import page_html
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections import SECTIONS
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.study_reading import read_study
from recbole_mmm4rec.benchmark.report.table import Table
from recbole_mmm4rec.benchmark.report.table_latex import table_latex
from recbole_mmm4rec.benchmark.report.table_markdown import table_markdown
from recbole_mmm4rec.files import write_text

PAGE, TABLES = "report.html", "tables"


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``tables/<name>.md`` and ``.tex`` into a benchmark's folder.

    Args:
        folder: holds ``runs.jsonl``, maybe ``plan.yaml``, and the files of single users that the runs name.

    Returns:
        The page's path.

    Raises:
        UserError: a file is missing or broken, or the plan asks for what is not there; names it.
    """
    study = read_study(folder)
    sections = make_sections(study)
    for table in _tables(sections):
        write_text(folder / TABLES / f"{table.name}.md", table_markdown(table))
        write_text(folder / TABLES / f"{table.name}.tex", table_latex(table))
    page = folder / PAGE
    write_text(page, page_html(study.plan.title, sections))
    return page


def make_sections(study: Study) -> dict[str, Section]:
    """The sections that the plan asks for and the runs carry data for, by name."""
    made = {name: SECTIONS[name](study) for name in study.plan.sections or SECTIONS}
    return {name: section for name, section in made.items() if section is not None}


def _tables(sections: dict[str, Section]) -> list[Table]:
    return [block for section in sections.values() for block in section.blocks if isinstance(block, Table)]
