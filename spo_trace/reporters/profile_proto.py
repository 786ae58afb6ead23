# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages of pprof's profile.proto (package perftools.profiles) that spo-trace writes, with its names and numbers.

Strings are indices into `Profile.string_table`, whose first entry is the empty string.
"""

from dataclasses import dataclass, field
from typing import Annotated

from pure_protobuf.annotations import Field, uint
from pure_protobuf.message import BaseMessage

__all__ = ["Function", "Label", "Line", "Location", "Mapping", "Profile", "Sample", "ValueType"]


@dataclass
class ValueType(BaseMessage):
    """Name the quantity of a value of a sample, and its unit."""

    type: Annotated[int, Field(1)] = 0
    unit: Annotated[int, Field(2)] = 0


@dataclass
class Label(BaseMessage):
    """Hold a label of a sample: a string `str`, or a number `num`."""

    key: Annotated[int, Field(1)] = 0
    str: Annotated[int, Field(2)] = 0
    num: Annotated[int, Field(3)] = 0
    num_unit: Annotated[int, Field(4)] = 0


@dataclass
class Sample(BaseMessage):
    """Hold a stack, innermost location first, and its values in the order of `Profile.sample_type`."""

    location_id: Annotated[list[uint], Field(1)] = field(default_factory=list)
    value: Annotated[list[int], Field(2)] = field(default_factory=list)
    label: Annotated[list[Label], Field(3)] = field(default_factory=list)


@dataclass
class Mapping(BaseMessage):
    """Represent the kernel or a module; with `has_functions`, pprof does not search for symbols itself."""

    id: Annotated[uint, Field(1)]
    filename: Annotated[int, Field(5)] = 0
    has_functions: Annotated[bool, Field(7)] = False
    has_filenames: Annotated[bool, Field(8)] = False


@dataclass
class Line(BaseMessage):
    """Name the function of a location."""

    function_id: Annotated[uint, Field(1)]


@dataclass
class Location(BaseMessage):
    """Represent one frame."""

    id: Annotated[uint, Field(1)]
    mapping_id: Annotated[uint, Field(2)]
    line: Annotated[list[Line], Field(4)] = field(default_factory=list)


@dataclass
class Function(BaseMessage):
    """Hold the name of a function; `system_name` is the frame as the kernel printed it."""

    id: Annotated[uint, Field(1)]
    name: Annotated[int, Field(2)] = 0
    system_name: Annotated[int, Field(3)] = 0
    filename: Annotated[int, Field(4)] = 0


@dataclass
class Profile(BaseMessage):
    """Hold a whole profile."""

    sample_type: Annotated[list[ValueType], Field(1)] = field(default_factory=list)
    sample: Annotated[list[Sample], Field(2)] = field(default_factory=list)
    mapping: Annotated[list[Mapping], Field(3)] = field(default_factory=list)
    location: Annotated[list[Location], Field(4)] = field(default_factory=list)
    function: Annotated[list[Function], Field(5)] = field(default_factory=list)
    string_table: Annotated[list[str], Field(6)] = field(default_factory=list)
    time_nanos: Annotated[int, Field(9)] = 0
    comment: Annotated[list[int], Field(13)] = field(default_factory=list)
    default_sample_type: Annotated[int, Field(14)] = 0
