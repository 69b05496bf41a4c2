"""The exceptions that mean that the input is wrong and say what to do, and any other error in one line."""


class UserError(ValueError):
    """Bad input of the user: a file, a key or a value. The message is one line that names it."""


class ResumeError(UserError):
    """A checkpoint that this run cannot go on from."""


def in_one_line(error: BaseException, most: int | None = 200) -> str:
    """What an error says, for a line of our own: at most ``most`` characters (None: all)."""
    return " ".join(str(error).split())[:most]
