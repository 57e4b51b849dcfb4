"""The part of a layer that remembers its calls: nodes, and the tensors, masks and shapes at each."""

from __future__ import annotations

from typing import Any

from .node import Node, one_or_list


class Connected:
    """Something that has been called on tensors, perhaps several times; `name` is the layer's."""

    name: str
    inbound_nodes: list[Node]
    outbound_nodes: list[Node]
    _first_node_is_own = False
    """Whether the first node holds inputs and outputs of the layer's own, which later calls leave as they are."""

    def _telling(self) -> list[Node]:
        """The nodes that say what the layer's input and output are."""
        return self.inbound_nodes[:1] if self._first_node_is_own else self.inbound_nodes

    def _at(self, node_index: int, attribute: str, what: str) -> Any:
        """`attribute` of call number `node_index`, unpacked if there is only one."""
        if not self.inbound_nodes:
            raise RuntimeError(f"Layer '{self.name}' has never been called and thus has no defined {what}.")
        if not -len(self.inbound_nodes) <= node_index < len(self.inbound_nodes):
            raise ValueError(f"Asked for the {what} at node {node_index} of layer '{self.name}', but it has "
                             f"only {len(self.inbound_nodes)} inbound nodes.")
        return one_or_list(getattr(self.inbound_nodes[node_index], attribute))

    def _only(self, attribute: str, what: str, method: str) -> Any:
        """`attribute` of the only call; AttributeError, so that hasattr works, if that isn't there."""
        if not self.inbound_nodes:
            raise AttributeError(f"Layer '{self.name}' is not connected: it has no {what} yet.")
        if len(self._telling()) > 1:
            raise AttributeError(f"Layer '{self.name}' was called {len(self.inbound_nodes)} times, so it has "
                                 f"no single {what}. Use `{method}(node_index)` instead.")
        return self._at(0, attribute, what)

    def _agreed(self, attribute: str, what: str, method: str) -> Any:
        """`attribute` if all calls agree on it; AttributeError otherwise."""
        if not self.inbound_nodes:
            raise AttributeError(f"Layer '{self.name}' has never been called and thus has no defined {what}.")
        values = [getattr(node, attribute) for node in self._telling()]
        if any(v != values[0] for v in values[1:]):
            raise AttributeError(f"Layer '{self.name}' was called on different shapes, so it has no single "
                                 f"{what}. Use `{method}(node_index)` instead.")
        return one_or_list(values[0])

    def get_input_at(self, node_index: int) -> Any:
        """Input tensor (or list of them) of call number `node_index`."""
        return self._at(node_index, "input_tensors", "input")

    def get_output_at(self, node_index: int) -> Any:
        """Output tensor (or list of them) of call number `node_index`."""
        return self._at(node_index, "output_tensors", "output")

    def get_input_mask_at(self, node_index: int) -> Any:
        """Input mask (or list of them) of call number `node_index`; None where there is none."""
        return self._at(node_index, "input_masks", "input mask")

    def get_output_mask_at(self, node_index: int) -> Any:
        """Output mask (or list of them) of call number `node_index`; None where there is none."""
        return self._at(node_index, "output_masks", "output mask")

    def get_input_shape_at(self, node_index: int) -> Any:
        """Input shape (or list of them) of call number `node_index`, batch axis included."""
        return self._at(node_index, "input_shapes", "input shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """Output shape (or list of them) of call number `node_index`, batch axis included."""
        return self._at(node_index, "output_shapes", "output shape")

    @property
    def input(self) -> Any:
        """The input tensor(s); AttributeError unless the layer was called exactly once (a model has its own)."""
        return self._only("input_tensors", "input", "get_input_at")

    @property
    def output(self) -> Any:
        """The output tensor(s); AttributeError unless the layer was called exactly once (a model has its own)."""
        return self._only("output_tensors", "output", "get_output_at")

    @property
    def input_mask(self) -> Any:
        """The input mask(s); AttributeError unless the layer was called exactly once (a model has its own)."""
        return self._only("input_masks", "input mask", "get_input_mask_at")

    @property
    def output_mask(self) -> Any:
        """The output mask(s); AttributeError unless the layer was called exactly once (a model has its own)."""
        return self._only("output_masks", "output mask", "get_output_mask_at")

    @property
    def input_shape(self) -> Any:
        """The input shape(s), batch axis included; AttributeError if calls differ in it."""
        return self._agreed("input_shapes", "input shape", "get_input_shape_at")

    @property
    def output_shape(self) -> Any:
        """The output shape(s), batch axis included; AttributeError if calls differ in it."""
        return self._agreed("output_shapes", "output shape", "get_output_shape_at")
