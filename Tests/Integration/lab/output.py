"""What the program's output has to look like."""


def is_one_line(text):
    return len(text.splitlines()) == 1 and text.endswith("\n")
