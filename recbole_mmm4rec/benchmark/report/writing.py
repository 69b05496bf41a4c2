"""Write the report of a benchmark's folder: one page, and its tables and figures by themselves."""

from collections.abc import Collection
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recbole_mmm4rec.benchmark.report.drawing import with_own_ids
from recbole_mmm4rec.benchmark.report.figure_files import figure_svg
from recbole_mmm4rec.benchmark.report.section import Figures, Section, Table
from recbole_mmm4rec.benchmark.report.sections import all_sections
from recbole_mmm4rec.benchmark.report.study import Study, read_study
from recbole_mmm4rec.benchmark.report.table_text import table_latex, table_markdown
from recbole_mmm4rec.files import write_text

PAGE, TABLES, FIGURES = "report.html", "tables", "figures"

_TEMPLATES = Environment(
    loader=PackageLoader(__package__, "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["with_own_ids"] = lambda svg, prefix: Markup(with_own_ids(svg, prefix))


def write_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables/<name>.md`` and ``.tex``, and ``figures/<name>.svg`` into a folder.

    Tables and figures of an earlier report in the folder are replaced.

    Args:
        folder: has ``runs.jsonl``, perhaps ``plan.yaml``, and the per-user files that the runs name.

    Returns:
        The page's path.

    Raises:
        UserError: a file is missing or broken, or the plan asks for something that does not exist; names it.
    """
    study = read_study(folder)
    sections = make_sections(study)
    files: dict[Path, str] = {}
    for block in (block for section in sections.values() for block in section.blocks):
        if isinstance(block, Table):
            files[folder / TABLES / f"{block.name}.md"] = table_markdown(block)
            files[folder / TABLES / f"{block.name}.tex"] = table_latex(block)
        elif isinstance(block, Figures) and block.panels:
            files[folder / FIGURES / f"{block.name}.svg"] = figure_svg(block)
    for path, text in files.items():
        write_text(path, text)
    page = folder / PAGE
    write_text(page, page_html(study.plan.title, sections))
    _remove_old(folder, files.keys())
    return page


def _remove_old(folder: Path, written: Collection[Path]) -> None:
    """Delete tables and figures of an earlier report that the page no longer has."""
    for pattern in (f"{TABLES}/*.md", f"{TABLES}/*.tex", f"{FIGURES}/*.svg"):
        for path in folder.glob(pattern):
            if path not in written:
                path.unlink()


def make_sections(study: Study) -> dict[str, Section]:
    """The sections, by name, that the plan asks for and that the runs have data for."""
    known = all_sections()
    made = {name: known[name](study) for name in study.plan.sections or known}
    return {name: section for name, section in made.items() if section is not None}


def page_html(title: str, sections: dict[str, Section]) -> str:
    """The whole page. All text is escaped; drawings are inserted as they are.

    Args:
        title: heading.
        sections: by name, which becomes the section's anchor.
    """
    return _TEMPLATES.get_template("page.html.j2").render(title=title, sections=sections) + "\n"


def table_html(table: Table) -> str:
    """A single table with caption and notes."""
    return str(_TEMPLATES.get_template("blocks.html.j2").module.table(table))  # type: ignore[attr-defined]
