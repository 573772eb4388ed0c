"""Attributes that other libraries have and pynn does not: reading one raises an error that says what to use."""

from __future__ import annotations

from typing import Any


class MissingAttribute(AttributeError):
    """An AttributeError whose text is made only when it is read: `hasattr` does not read it."""

    def __str__(self) -> str:
        from .attributes import answer  # here: only errors need it

        kind = type(self.obj)
        return f"{kind.__name__!r} object has no attribute {self.name!r}{answer(kind, str(self.name))}"


class Foreign:
    """An attribute of other libraries that pynn does not have: reading it raises an error that names pynn's way."""

    name = ""

    def __get__(self, thing: object, owner: type) -> Any:
        if thing is None:
            return self
        raise MissingAttribute(name=self.name, obj=thing)


class ForeignSetting(Foreign):
    """The same for an attribute that users set, which would have no effect; custom classes may have it."""

    def __get__(self, thing: object, owner: type) -> Any:
        return (
            vars(thing)[self.name] if thing is not None and self.name in vars(thing) else super().__get__(thing, owner)
        )

    def __set__(self, thing: object, value: object) -> None:
        if type(thing).__module__.startswith("pynn."):
            raise MissingAttribute(name=self.name, obj=thing)
        vars(thing)[self.name] = value


def add_foreign(kind: type, settings: str, methods: str = "") -> None:
    """Give the class these attributes. Not by __getattr__: a class that has one reads all attributes more slowly."""
    for words, form in ((settings, ForeignSetting), (methods, Foreign)):
        for name in words.split():
            attribute = form()
            attribute.name = name
            setattr(kind, name, attribute)
