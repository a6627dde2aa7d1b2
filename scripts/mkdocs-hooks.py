"""What mkdocs does on the way: links to files of the project that are no pages are shown as text."""

import re


def on_page_markdown(markdown, **_):
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)
