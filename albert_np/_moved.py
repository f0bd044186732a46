"""Import paths of version 0.1.0 that have moved. They work until 0.3 and warn; CHANGELOG.md lists old and new."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "albert_np.convert": "albert_np.model",
    "albert_np.experiments": "albert_np.study.experiments",
    "albert_np.finetuning": "albert_np.model",
    "albert_np.info": "albert_np.study",
    "albert_np.inside": "albert_np.study.inside",
    "albert_np.parallel": "albert_np.execution",
    "albert_np.quickstart": "albert_np.study.quickstart",
    "albert_np.squad2": "albert_np.model",
    "albert_np.tokenization.model_proto": "albert_np.tokenization",
    "albert_np.torch_check": "albert_np.gradcheck",
    "albert_np.training.pretrain": "albert_np.pretraining",
    "albert_np.verify": "albert_np.gradcheck",
}


class _Finder(MetaPathFinder, Loader):
    """Under an old name, hands out the module that has taken its place."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None  # the usual empty one

    def exec_module(self, module: ModuleType) -> None:
        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(f"{old} has moved: import from {new}", DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


sys.meta_path.append(_Finder())
