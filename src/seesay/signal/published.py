"""Networks with published weights that do not come with seesay.

A model is built without them. They are loaded once, before training; from then on they lie in the run, so
that opening a run needs neither the package that they came from nor a network.
"""

from abc import ABC, abstractmethod
from typing import Any

from torch import nn


class Published(nn.Module, ABC):
    """A network whose weights another package holds. It always computes as in prediction: batch normalisation
    keeps its published statistics and nothing is dropped out, even where the weights are trained further."""

    @abstractmethod
    def load_published(self) -> None:
        """Set the weights to the published ones. ConfigError if they are not there."""

    def train(self, mode: bool = True) -> Any:
        """Stays in evaluation mode."""
        return super().train(False)


def load_published(model: nn.Module) -> None:
    """Load the weights of every published network in a model. ConfigError if some are not there."""
    for module in model.modules():
        if isinstance(module, Published):
            module.load_published()
