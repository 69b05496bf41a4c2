"""Ray: started on this machine, or a cluster that is joined; its workers find this package either way."""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import recbole_mmm4rec
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.property_files import properties_path
from recbole_mmm4rec.quick_start.run_key import package_versions

ADDRESS = "RAY_ADDRESS"
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


@dataclass(frozen=True)
class RaySession:
    """Ray as this process has it.

    Attributes:
        ray: the module.
        is_cluster: whether its workers may lie on machines that do not see this one's files.
        is_own: whether it was started or joined here, and so is left at the end.
    """

    ray: Any
    is_cluster: bool
    is_own: bool

    def close(self) -> None:
        """Leave it, unless the program around had it before."""
        if self.is_own:
            self.ray.shutdown()

    def nodes(self) -> list[str]:
        """Ids of the nodes that are alive, as far as the cluster knows."""
        return [node["NodeID"] for node in self.ray.nodes() if node["Alive"]]

    def on_every_node(self, work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """References of ``work`` done once on every node, by the node's id."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self.ray.remote(num_cpus=0, max_retries=0)(work)
        places = {node: NodeAffinitySchedulingStrategy(node, soft=False) for node in self.nodes()}
        return {
            node: task.options(scheduling_strategy=place).remote(*arguments) for node, place in places.items()
        }


def start_ray(cpus: int | None = None, address: str | None = None) -> RaySession:
    """Join a cluster or start Ray on this machine, unless the program has done so.

    Args:
        cpus: CPUs that Ray may hand out where it is started here; by default all.
        address: of a cluster, such as ``10.0.0.1:6379`` or ``auto``; by default what ``RAY_ADDRESS`` says.

    Raises:
        UserError: no cluster there, or one with other versions.
    """
    import ray

    address = address or os.environ.get(ADDRESS)
    if ray.is_initialized():
        alive = sum(node["Alive"] for node in ray.nodes())
        return RaySession(ray, is_cluster=alive > 1, is_own=False)
    if address:
        return _joined(ray, address)
    # workers unpickle functions of this package, which need not be installed
    root = str(Path(recbole_mmm4rec.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    ray.init("local", num_cpus=cpus, include_dashboard=False, **_QUIET)
    return RaySession(ray, is_cluster=False, is_own=True)


def _joined(ray: Any, address: str) -> RaySession:
    """Join a cluster and send it this package's code, so that all nodes run the same."""
    if "://" in address:
        raise UserError(f"--ray_address={address}: host:port or auto is needed, on a node of the cluster")
    with TemporaryDirectory() as folder:
        try:
            ray.init(address, runtime_env={"py_modules": [str(_package_copy(Path(folder)))]}, **_QUIET)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"--ray_address={address}: cannot join a Ray cluster there: {reason}") from None
    session = RaySession(ray, is_cluster=True, is_own=True)
    try:
        _check_nodes(session)
    except BaseException:
        session.close()
        raise
    return session


def _package_copy(folder: Path) -> Path:
    """The package as it is when installed: with its property files inside."""
    source, target = Path(recbole_mmm4rec.__file__).resolve().parent, folder / recbole_mmm4rec.__name__
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, target, ignore=ignored)
    shutil.copytree(properties_path(), target / "properties", ignore=ignored, dirs_exist_ok=True)
    return target


def _check_nodes(session: RaySession) -> None:
    """Numbers from other versions would stand beside ours."""
    ours = package_versions()
    for node, reference in session.on_every_node(package_versions).items():
        try:
            theirs = session.ray.get(reference)
        except session.ray.exceptions.NodeDiedError:
            continue
        except session.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"Ray node {node[:12]}: this package does not load there: {reason}") from None
        names = [name for name in ours if theirs[name] != ours[name]]
        differing = [f"{name} {theirs[name]}, here {ours[name]}" for name in names]
        if differing:
            raise UserError(f"Ray node {node[:12]} has other versions: {'; '.join(differing)}")
