"""Numbers with what they count."""


def counted(count: int, one: str, several: str = "") -> str:
    """Return "1 item" or "2,000 items"; ``several``: the plural where it is not ``one`` with an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
