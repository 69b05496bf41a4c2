"""``serve``: a checkpoint's answers over HTTP."""

from pathlib import Path
from typing import Any

import click

from recbole_mmm4rec.cli.recommend import CHECKPOINT, DEBUG, DEVICE, answered
from recbole_mmm4rec.extras import require_extra

KEY_VARIABLE = "RECBOLE_MMM4REC_API_KEY"
NEEDED = ("fastapi", "uvicorn", "prometheus_client", "python_multipart")


@click.command("serve")
@CHECKPOINT
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address; the default is this machine only."
)
@click.option("--port", default=8000, show_default=True, help="0: any that is free.")
@click.option(
    "--api-key",
    envvar=KEY_VARIABLE,
    show_envvar=True,
    help="Answer only who sends it; other users of this machine can read a command line, not a variable.",
)
@click.option("--dataset", type=click.Path(path_type=Path), help="Folder with titles, pictures and users.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    help="Folder of pictures called as the items, in the place of those that the dataset's record names.",
)
@click.option(
    "--watch",
    default=2.0,
    show_default=True,
    help="Seconds between two looks whether the checkpoint is a newer one; 0: never.",
)
@click.option(
    "--batch-wait",
    default=0.0,
    show_default=True,
    help="Milliseconds that a batch is kept open for more than what came while the model was busy.",
)
@DEVICE
@DEBUG
def serve(**given: Any) -> int:
    """Answer requests over HTTP until Ctrl-C or SIGTERM; SIGHUP loads the checkpoint again.

    /docs lists what may be asked.
    """

    def work() -> None:
        require_extra("serve", NEEDED, "serve")
        from recbole_mmm4rec.serve.running import ServeOptions, serve

        names = ("host", "port", "api_key", "dataset", "pictures", "device", "watch")
        values = {name: given[name] for name in names}
        serve(
            ServeOptions(
                checkpoint=Path(given["checkpoint"]), batch_wait=given["batch_wait"] / 1000, **values
            )
        )

    return answered(work, given["debug"], "stopped")
