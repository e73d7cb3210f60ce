"""The colours of all charts, visible on the light and on the dark theme."""

TEAL = "#2b9a92"  # scores, and the units of a study
ORANGE = "#c9621c"
MASK = "#e0782f"  # the best constant mask
VIOLET = "#7379dd"
NULL = "#8086e0"  # the null
PINK = "#b5548f"
GREY = "#8b979b"  # random units, always on
LINE = "#7b878b"  # rules, whiskers and labels
DARK = "#1b2527"  # text on light cells
RED, NEUTRAL, BLUE = "#c4452f", "#9aa4a7", "#2f74c4"  # losses, no change, gains
WHITE = "#ffffff"


def rgb(colour: str) -> tuple[int, int, int]:
    """The red, green and blue of a colour, 0 to 255.

    >>> rgb(TEAL)
    (43, 154, 146)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
