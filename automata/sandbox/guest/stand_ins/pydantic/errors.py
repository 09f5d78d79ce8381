"""What declaring raises."""


class PydanticUserError(TypeError):
    """A class is declared in a way that has no schema."""


class PydanticSchemaGenerationError(PydanticUserError):
    """A class is not known."""


class PydanticUndefinedAnnotation(PydanticUserError, NameError):
    """An annotation names what is not defined."""

    name: str = ""
