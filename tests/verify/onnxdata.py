"""Reads what the ONNX node tests need of protobuf: a model of one node, and tensors.

The fields' numbers are those of onnx.proto3. The wire format is described at
https://protobuf.dev/programming-guides/encoding.
"""

import struct
from pathlib import Path

import numpy as np

DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}


def varint(data, at):
    """A variable-length integer and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def signed(value):
    """int64 from its two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data):
    """{field number: [values]} of a message: ints, or bytes for everything that is not a varint."""
    result = {}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        else:
            if wire == 2:
                size, at = varint(data, at)
            else:
                size = {1: 8, 5: 4}[wire]
            value, at = data[at : at + size], at + size
        result.setdefault(key >> 3, []).append(value)
    return result


def integers(values):
    """A repeated int64, packed or not."""
    result = []
    for value in values:
        if isinstance(value, int):
            result.append(signed(value))
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            result.append(signed(number))
    return result


def tensor(data):
    """Name and array of a TensorProto."""
    message = fields(data)
    shape = integers(message.get(1, []))
    kind = message[2][0]
    if 9 in message:
        array = np.frombuffer(message[9][0], DTYPES[kind])
    elif kind == 1:
        array = np.frombuffer(b"".join(message.get(4, [])), "<f4")
    else:
        array = np.array(integers(message.get(7, []) or message.get(5, [])), DTYPES[kind])
    return message.get(8, [b""])[0].decode(), array.reshape(shape)


def attribute(data):
    """Name and value of an AttributeProto: float, int, string or list of int."""
    message = fields(data)
    kind = message[20][0]
    if kind == 1:
        value = struct.unpack("<f", message[2][0])[0]
    elif kind == 2:
        value = signed(message[3][0]) if 3 in message else 0
    elif kind == 3:
        value = message[4][0].decode()
    elif kind == 7:
        value = integers(message.get(8, []))
    else:
        value = None
    return message[1][0].decode(), value


class NodeTest:
    """One folder of test data whose model is one node, constants aside."""

    def __init__(self, folder, model, graph, nodes):
        opsets = [fields(entry) for entry in model.get(8, [])]
        # Constants are initialisers or nodes of their own, by the version of the exporter.
        known = dict(tensor(t) for t in graph.get(5, []))
        for node in nodes:
            if node[4][0] == b"Constant":
                known[node[2][0].decode()] = tensor(fields(node[5][0])[5][0])[1]
        (node,) = [node for node in nodes if node[4][0] != b"Constant"]
        self.folder = folder
        self.name = f"{folder.parent.name}/{folder.name}"
        self.operation = node[4][0].decode()
        self.opset = max((o[2][0] for o in opsets if not o.get(1, [b""])[0]), default=1)
        self.attributes = dict(attribute(a) for a in node.get(5, []))
        self.input_names = [name.decode() for name in node[1]]
        self.graph_inputs = [fields(value)[1][0].decode() for value in graph.get(11, [])]
        self.known = known

    def sets(self):
        """(inputs, outputs) as lists of arrays, in the node's order, for each data set."""
        for folder in sorted(self.folder.glob("test_data_set_*")):
            fed = [name for name in self.graph_inputs if name not in self.known]
            values = dict(self.known)
            for i, name in enumerate(fed):
                values[name] = tensor((folder / f"input_{i}.pb").read_bytes())[1]
            outputs = []
            while (folder / f"output_{len(outputs)}.pb").exists():
                outputs.append(tensor((folder / f"output_{len(outputs)}.pb").read_bytes())[1])
            yield [values[name] for name in self.input_names if name], outputs


def node_tests(root, operations):
    """The tests in the folders root/*/* whose model is a single node of one of these operations."""
    found = []
    for path in sorted(Path(root).glob("*/*/model.onnx")):
        model = fields(path.read_bytes())
        graph = fields(model[7][0])
        nodes = [fields(node) for node in graph.get(1, [])]
        kinds = [node[4][0].decode() for node in nodes if node[4][0] != b"Constant"]
        if len(kinds) == 1 and kinds[0] in operations:
            found.append(NodeTest(path.parent, model, graph, nodes))
    return found
