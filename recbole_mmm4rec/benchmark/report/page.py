"""Sections to one HTML page that needs nothing but itself."""

from html import escape

from recbole_mmm4rec.benchmark.report.drawing import with_own_ids
from recbole_mmm4rec.benchmark.report.section import Figures, Folded, Section
from recbole_mmm4rec.benchmark.report.style import STYLE
from recbole_mmm4rec.benchmark.report.table import Table
from recbole_mmm4rec.benchmark.report.table_html import table_html


def page_html(title: str, sections: dict[str, Section]) -> str:
    """The page; every text in it is escaped, every drawing is as it was made.

    Args:
        title: heading.
        sections: by name, which becomes a section's anchor.
    """
    links = "".join(f'<li><a href="#{name}">{escape(part.title)}</a></li>' for name, part in sections.items())
    body = "\n".join(_section(name, part) for name, part in sections.items())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>\n{body}\n</main></body></html>\n'
    )


def _section(name: str, section: Section) -> str:
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in section.text)
    blocks = text + "".join(_block(block) for block in section.blocks)
    heading = f"<h2>{escape(section.title)}</h2>"
    if section.folded:
        return f'<details class="section" id="{name}"><summary>{heading}</summary>{blocks}</details>'
    return f'<section id="{name}">{heading}{blocks}</section>'


def _block(block: Table | Figures | Folded) -> str:
    if isinstance(block, Table):
        return table_html(block)
    if isinstance(block, Folded):
        return (
            f"<details><summary>{escape(block.summary)}</summary><pre>{escape(block.text)}</pre></details>\n"
        )
    return _figures(block)


def _figures(figures: Figures) -> str:
    keys = "".join(
        f"<li>{with_own_ids(swatch, f'{figures.name}-key{number}')}<span>{escape(label)}</span></li>"
        for number, (swatch, label) in enumerate(figures.legend)
    )
    panels = "".join(
        f"<div><h3>{escape(panel.title)}</h3>{with_own_ids(panel.svg, f'{figures.name}-{number}')}</div>\n"
        for number, panel in enumerate(figures.panels)
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in figures.notes)
    return (
        f'<figure id="figure-{escape(figures.name)}"><figcaption>{escape(figures.caption)}</figcaption>'
        f'<ul class="legend">{keys}</ul><div class="panels">{panels}</div>'
        f'<div class="notes">{notes}</div></figure>\n'
    )
