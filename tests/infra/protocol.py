"""Reads the few words of proto2 that the schemas use, into messages that protobuf itself parses JSON with."""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TOKEN = re.compile(r"message (\w+) \{|(required|optional|repeated) (\w+) (\w+) = (\d+);|(\})")
_KINDS = {"string": 9, "int64": 3}
_LABELS = {"optional": 1, "required": 2, "repeated": 3}


def fields_of(definition: str) -> set[str]:
    """Field names of the schema's one top-level message."""
    return {field.name for field in _file(definition, "fields").message_type[0].field}


def message(definition: str, name: str) -> Any:
    """A message class of the schema, as Pub/Sub would make it."""
    file = _file(definition, name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{file.message_type[0].name}"))()


def _file(definition: str, name: str) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name.replace("-", "_"), syntax="proto2")
    open_: list[descriptor_pb2.DescriptorProto] = []
    for opened, label, kind, field, number, closed in _TOKEN.findall(definition):
        if opened:
            open_.append(open_[-1].nested_type.add(name=opened) if open_ else file.message_type.add(name=opened))
        elif closed:
            open_.pop()
        else:
            made = open_[-1].field.add(name=field, number=int(number), label=_LABELS[label])
            if kind in _KINDS:
                made.type = _KINDS[kind]
            else:
                made.type, made.type_name = 11, f".{file.package}.{file.message_type[0].name}.{kind}"
    assert not open_
    assert len(file.message_type) == 1, "Pub/Sub takes one top-level message a schema"
    return file
