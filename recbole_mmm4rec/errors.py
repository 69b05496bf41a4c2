"""The exceptions that mean: the input is wrong, and this line says what to do."""


class UserError(ValueError):
    """Bad input of the user: a file, a key or a value. The message is one line that names it."""


class ResumeError(UserError):
    """A checkpoint that this run cannot go on from."""
