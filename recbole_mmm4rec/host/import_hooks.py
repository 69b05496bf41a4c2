"""Act on a module right after it is imported, so that plugging in costs nothing until the host is used."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Hook = Callable[[ModuleType], None]


class HookFinder(MetaPathFinder):
    """Finds the hooked modules where they lie, with a loader that calls the hook after loading."""

    def __init__(self, hooks: dict[str, Hook]) -> None:
        self.hooks = hooks

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Spec of a hooked module, None for any other."""
        if fullname not in self.hooks:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = HookedLoader(spec.loader, self.hooks[fullname])
        return spec


class HookedLoader(Loader):
    """A module's own loader, followed by a hook."""

    def __init__(self, loader: Any, hook: Hook) -> None:
        self.loader, self.hook = loader, hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module as its own loader creates it."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load the module, then call the hook."""
        self.loader.exec_module(module)
        self.hook(module)


def after_import(hooks: dict[str, Hook]) -> None:
    """Call each hook once: now where its module is loaded already, else right after it is."""
    for name, hook in hooks.items():
        if name in sys.modules:
            hook(sys.modules[name])
    sys.meta_path.insert(0, HookFinder(hooks))
