"""From an annotation to its shape: the one place that knows every kind of annotation."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic.fields import FieldInfo

from automata.errors import DeclarationError, InvalidArgument
from automata.reference import ObjectRef, RefTarget
from automata.values import leaves
from automata.values.arrays import is_array_class
from automata.values.containers import collection_shape, dict_shape, tuple_shape
from automata.values.pickled import PickledMark
from automata.values.records import is_named_tuple
from automata.values.shape import Shape, sample, type_name
from automata.values.structures import Fields, dataclass_shape, model_shape, named_tuple_shape, typed_dict_shape
from automata.values.unions import discriminator_of, tagged_union_shape, union_shape

_OURS = (RefTarget, PickledMark)
_COLLECTIONS = (list, set, frozenset)
# Abstract types stand for the plain ones that their values come back as.
_CONCRETE: dict[Any, type] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
    collections.abc.MutableSet: set,
    collections.abc.Set: frozenset,
}


class Compiler:
    """Compiles one annotation; `classes` are those of users that it names.

    Classes that are being compiled are looked up again, so they may name themselves.
    """

    def __init__(self) -> None:
        self.classes: set[type] = set()
        self._open: dict[type, Shape | None] = {}

    def compile(self, annotation: Any) -> Shape:
        """The shape of `annotation`; raises `DeclarationError` if it has none."""
        return self._compile(annotation, constrained=True)

    def _compile(self, annotation: Any, constrained: bool) -> Shape:
        """Without `constrained`, metadata of pydantic is dropped: a model's fields passed it when it was made."""
        if annotation is None:
            annotation = type(None)
        if hasattr(annotation, "__supertype__"):
            return self._compile(annotation.__supertype__, constrained)
        if hasattr(annotation, "__value__") and not isinstance(annotation, type):
            return self._compile(_aliased(annotation), constrained)
        if isinstance(annotation, str | ForwardRef | TypeVar):
            raise DeclarationError(f"the annotation {annotation!r} cannot be resolved")
        origin = get_origin(annotation)
        if origin is Annotated:
            return self._annotated(annotation, constrained)
        if origin in {typing.Required, typing.NotRequired, typing.Final, typing.ClassVar}:
            return self._compile(get_args(annotation)[0], constrained)
        if origin in {Union, types.UnionType}:
            members = tuple(self._compile(argument, constrained) for argument in get_args(annotation))
            return union_shape(annotation, members)
        if origin is Literal:
            return leaves.literal_shape(annotation)
        return self._class(annotation, origin or annotation, constrained)

    def _class(self, annotation: Any, cls: Any, constrained: bool) -> Shape:
        if cls in leaves.BUILTIN:
            return leaves.builtin_shape(cls)
        if cls in leaves.SCALARS:
            return leaves.scalar_shape(cls)
        if cls is Any or cls is object:
            return leaves.any_shape()
        cls = _CONCRETE.get(cls, cls)
        if cls in {list, set, frozenset, tuple, dict}:
            return self._container(annotation, cls, constrained)
        if is_array_class(cls):
            return leaves.array_shape(annotation, cls)
        if isinstance(cls, type):
            return self._own(annotation, cls)
        raise _unsupported(annotation)

    def _own(self, annotation: Any, cls: type) -> Shape:
        """A class that somebody wrote."""
        self.classes.add(cls)
        if issubclass(cls, Enum):
            return leaves.enum_shape(cls)
        if issubclass(cls, ObjectRef):
            return leaves.ref_shape(None)
        maker = _maker(cls)
        if maker is None:
            return _foreign(annotation, cls)
        if get_args(annotation):
            raise DeclarationError(f"{type_name(annotation)}: declare a class without type parameters instead")
        if cls in self._open:
            return self._itself(cls)
        self._open[cls] = None
        shape = maker(cls, self._fields(cls))
        self._open[cls] = shape
        return shape

    def _itself(self, cls: type) -> Shape:
        """A class inside itself: the shape that will be known when its fields are."""
        known = self._open[cls]
        if known is not None:
            return known

        def late() -> Shape:
            shape = self._open[cls]
            assert shape is not None
            return shape

        return Shape(
            annotation=cls,
            validate=lambda value: late().validate(value),
            pack=lambda value: late().pack(value),
            unpack=lambda wire: late().unpack(wire),
            python=frozenset({cls if not typing.is_typeddict(cls) else dict}),
            wire=frozenset({list if is_named_tuple(cls) else dict}),
        )

    def _container(self, annotation: Any, cls: type, constrained: bool) -> Shape:
        arguments = get_args(annotation)
        if cls is dict:
            key, item = arguments or (Any, Any)
            return dict_shape(
                dict[key, item],  # type: ignore[valid-type]
                self._compile(key, constrained),
                self._compile(item, constrained),
            )
        if cls is not tuple:
            (argument,) = arguments or (Any,)
            return collection_shape(cls[argument], cls, self._compile(argument, constrained))  # type: ignore[index]
        if not arguments and hasattr(annotation, "__args__"):  # tuple[()], the empty tuple
            return tuple_shape(annotation, ())
        if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
            argument = arguments[0] if arguments else Any
            of_any_length: Any = tuple[argument, ...]  # type: ignore[valid-type]
            return collection_shape(of_any_length, tuple, self._compile(argument, constrained))
        return tuple_shape(annotation, tuple(self._compile(argument, constrained) for argument in arguments))

    def _annotated(self, annotation: Any, constrained: bool) -> Shape:
        inner, *metadata = get_args(annotation)
        for mark in metadata:
            if isinstance(mark, PickledMark):
                return leaves.pickled_shape(annotation)
            if isinstance(mark, RefTarget):
                return leaves.ref_shape(mark)
        discriminator = discriminator_of(tuple(metadata))
        if discriminator is not None:
            return tagged_union_shape(
                annotation, get_args(inner), discriminator, lambda member: self._compile(member, constrained)
            )
        shape = self._compile(inner, constrained)
        constraints = [mark for mark in metadata if not isinstance(mark, str)]
        return _constrained(annotation, shape, constraints) if constrained and constraints else shape

    def _fields(self, cls: type) -> Fields:
        if issubclass(cls, BaseModel):
            return {name: self._compile(_stripped(field), constrained=False) for name, field in _model_fields(cls)}
        hints = _hints(cls)
        names = [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(hints)
        constrained = not hasattr(cls, "__pydantic_fields__")
        fields = {}
        for name in names:
            try:
                fields[name] = self._compile(hints[name], constrained)
            except DeclarationError as error:
                raise DeclarationError(f"{cls.__name__}.{name}: {error}") from None
        return fields


def _maker(cls: type) -> Callable[[Any, Fields], Shape] | None:
    if issubclass(cls, BaseModel):
        return model_shape
    if dataclasses.is_dataclass(cls):
        return dataclass_shape
    if is_named_tuple(cls):
        return named_tuple_shape
    return _typed_dict_shape if typing.is_typeddict(cls) else None


def _typed_dict_shape(cls: type[Any], fields: Fields) -> Shape:
    # `__required_keys__` misses what is written inside a string annotation, such as "NotRequired[int]".
    origins = {name: get_origin(hint) for name, hint in _hints(cls).items()}
    required = {name for name in cls.__required_keys__ if origins[name] is not typing.NotRequired}
    required |= {name for name, origin in origins.items() if origin is typing.Required}
    return typed_dict_shape(cls, fields, frozenset(required))


def _model_fields(cls: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    if cls is BaseModel:
        raise DeclarationError("BaseModel itself has no fields: declare the model's own class")
    try:
        cls.model_rebuild()
    except PydanticUndefinedAnnotation as error:
        raise DeclarationError(f"{cls.__name__}: the annotation {error.name!r} cannot be resolved") from None
    return list(cls.model_fields.items())


def _stripped(field: FieldInfo) -> Any:
    """The annotation of a model's field, with what concerns storing alone."""
    marks: list[Any] = [mark for mark in field.metadata if isinstance(mark, _OURS)]
    if field.discriminator is not None:
        marks.append(FieldInfo(discriminator=field.discriminator))
    annotation: Any = field.annotation
    for mark in marks:
        annotation = Annotated[annotation, mark]
    return annotation


def _aliased(annotation: Any) -> Any:
    """What a `type X = ...` stands for; of `X[...]` with its parameters replaced (numpy's NDArray is one)."""
    value, alias = annotation.__value__, get_origin(annotation)
    parameters = getattr(value, "__parameters__", ())
    if alias is None or not parameters:
        return value
    arguments = dict(zip(alias.__type_params__, get_args(annotation), strict=True))
    return value[tuple(arguments[parameter] for parameter in parameters)]


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise DeclarationError(f"{cls.__name__}: an annotation cannot be resolved: {error}") from None


def _constrained(annotation: Any, shape: Shape, constraints: list[Any]) -> Shape:
    """`shape` with pydantic's constraints (`Field(gt=0)`, `AfterValidator`) on top."""
    if not shape.plain:
        check = leaves.checked(Annotated[(Any, *constraints)], expected=shape.name)
        return dataclasses.replace(
            shape,
            annotation=annotation,
            validate=lambda value: shape.validate(check(shape.validate(value))),
            exact=None,
        )
    run = leaves.checked(annotation)

    def validate(value: Any) -> Any:
        kept = run(value)
        if type(kept) not in shape.python:
            raise InvalidArgument(f"a validator turned it into {sample(kept)}, where {shape.name} is declared")
        return kept

    return dataclasses.replace(shape, annotation=annotation, validate=validate, exact=None)


def _foreign(annotation: Any, cls: type) -> Shape:
    if get_args(annotation):
        raise _unsupported(annotation)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cls)
        adapter.json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticUserError):
        raise _unsupported(annotation) from None
    return leaves.foreign_shape(cls)


def _unsupported(annotation: Any) -> DeclarationError:
    name = type_name(annotation)
    return DeclarationError(
        f"{name} cannot be stored: use plain types, a dataclass, a NamedTuple, an Enum or a pydantic model, "
        f"or declare Pickled[{name}]"
    )
