"""The exceptions that mean: the input is wrong, and this line says what to do. And others as a line."""


class UserError(ValueError):
    """Bad input of the user: a file, a key or a value. The message is one line that names it."""


class ResumeError(UserError):
    """A checkpoint that this run cannot go on from."""


def in_one_line(error: BaseException) -> str:
    """What an error of the system or of a library says, for a line of our own: at most 200 characters."""
    return " ".join(str(error).split())[:200]
