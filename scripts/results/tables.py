"""Rows as aligned text and as Markdown. `left` holds the numbers of the columns that are words and stand to the left."""


def text_table(header, rows, left):
    """For the terminal."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = []
    for line in [header, *rows]:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def markdown_table(header, rows, left):
    """For a page."""
    rule = ["---" if i in left else "---:" for i in range(len(header))]
    return ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in [header, rule, *rows]]
