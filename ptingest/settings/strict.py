"""What all settings models share: frozen, no unknown keys, limits in the type.

    class BatchSettings(StrictSettings):
        max_documents: Annotated[int, Limits(ge=1, le=100_000)] = 4096

A field's docstring states its consequence. The annotation is the rule: how it is read is
worked out once, when the first values of a model are read, so that a command pays for the
models it uses. Everything that does not fit is found in one go (`SettingsInvalid`).
Defaults are ours and are not read again; a test does that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar, cast, dataclass_transform

from ptingest.errors import Misfit, SettingsInvalid
from ptingest.settings.shape import BROKEN, Limits, Place, Reader, Then, reader_of
from ptingest.settings.values import ByteSize

_MISSING: Any = object()
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Setting(NamedTuple):
    """One field of a model: its type without what stands in ``Annotated``, and its default."""

    annotation: Any
    metadata: tuple[Any, ...]
    default: Any
    factory: Callable[[], Any] | None

    @property
    def is_required(self) -> bool:
        return self.default is _MISSING and self.factory is None

    @property
    def has_plain_default(self) -> bool:
        return self.default is not _MISSING

    def usual(self) -> Any:
        """Make the default."""
        if self.factory is not None:
            return self.factory()
        return int(self.default) if isinstance(self.default, ByteSize) else self.default


class _Made(NamedTuple):
    """A default that is made anew for each use."""

    factory: Callable[[], Any]


def made(factory: Callable[[], Any]) -> Any:
    """Default that ``factory`` makes, for what must not be shared."""
    return _Made(factory)


class _Form(NamedTuple):
    """How values become a model; worked out once for each."""

    settings: dict[str, Setting]
    readers: dict[str, Reader]
    judges: tuple[Callable[[Any], None], ...]
    """Each looks at a whole section whose values all fit."""


def judge(function: _Function) -> _Function:
    """Mark a method that raises ValueError where values do not fit together."""
    function.__dict__["is_judge"] = True
    return function


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(made,))
class StrictSettings:
    """Root of every settings model."""

    _form: ClassVar[_Form | None] = None

    def __init_subclass__(cls) -> None:
        cls._form = None  # not its base's

    def __init__(self, **given: Any) -> None:
        """Read ``given`` into this model.

        Raises:
            SettingsInvalid: something does not fit.
        """
        misfits: list[Misfit] = []
        _fill(self, given, (), misfits)
        if misfits:
            raise SettingsInvalid(tuple(misfits))

    @classmethod
    def model_validate(cls, values: dict[str, Any]) -> Self:
        """Return the settings in ``values``, keys to values; raises as `__init__`."""
        misfits: list[Misfit] = []
        read: Self = cls.read_section(values, (), misfits)
        if misfits:
            raise SettingsInvalid(tuple(misfits))
        return read

    @classmethod
    def read_section(cls, value: Any, place: Place, misfits: list[Misfit]) -> Any:
        """Return ``value`` as this model, or `BROKEN`; what is wrong is added to ``misfits``."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            said = "Input should be a section with keys of its own"
            misfits.append(Misfit("section_type", said, place=place, seen=value))
            return BROKEN
        section = cls.__new__(cls)
        return section if _fill(section, value, place, misfits) else BROKEN

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """Return these settings with some changed; what is put in is not read again."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **update)
        return copy

    def model_dump(
        self, *, exclude: frozenset[str] | set[str] = frozenset(), exclude_none: bool = False
    ) -> dict[str, Any]:
        """Return plain values, sections as dicts; secrets stay hidden in theirs."""
        return {
            name: _dumped(value, exclude_none)
            for name, value in self.__dict__.items()
            if name not in exclude and not (exclude_none and value is None)
        }

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen; use model_copy")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen; use model_copy")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({told})"


def settings_of(model: type[StrictSettings]) -> dict[str, Setting]:
    """Return every setting of a model by name, those of its base first."""
    return _form_of(model).settings


def _dumped(value: Any, exclude_none: bool) -> Any:
    if isinstance(value, StrictSettings):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, tuple):
        return tuple(_dumped(one, exclude_none) for one in value)
    if isinstance(value, dict):
        return {key: _dumped(one, exclude_none) for key, one in value.items()}
    return value


def _fill(
    section: StrictSettings, given: dict[str, Any], place: Place, misfits: list[Misfit]
) -> bool:
    """Read ``given`` into an empty section; say whether all of it fits."""
    form = _form_of(type(section))
    before = len(misfits)
    values = section.__dict__
    for name, read in form.readers.items():
        if name in given:
            values[name] = read(given[name], (*place, name), misfits)
        elif form.settings[name].is_required:
            misfits.append(Misfit("missing", "Field required", place=(*place, name)))
        else:
            values[name] = form.settings[name].usual()
    if not given.keys() <= form.readers.keys():
        for name, value in given.items():
            if name not in form.readers:
                said = "Extra inputs are not permitted"
                misfits.append(Misfit("unknown", said, place=(*place, name), seen=value))
    if len(misfits) == before:
        for look in form.judges:
            try:
                look(section)
            except ValueError as error:
                misfits.append(Misfit("judged", str(error), place=place, seen=given))
                break
    return len(misfits) == before


def _form_of(model: type[StrictSettings]) -> _Form:
    if model._form is None:
        model._form = _make_form(model)
    return model._form


def _make_form(model: type[StrictSettings]) -> _Form:
    annotations: dict[str, Any] = {}
    judges: dict[str, Callable[[Any], None]] = {}
    for one in reversed(model.__mro__[: model.__mro__.index(StrictSettings)]):
        annotations |= _annotations(one)
        judges |= {name: found for name, found in vars(one).items() if hasattr(found, "is_judge")}
    settings = {name: _setting(model, name, found) for name, found in annotations.items()}
    readers = {name: reader_of(found) for name, found in annotations.items()}
    return _Form(settings, readers, tuple(judges.values()))


def _annotations(model: type) -> dict[str, Any]:
    """The annotations of one class itself, evaluated where it was written."""
    written = vars(model).get("__annotations__", {})
    # One expression for all of them: compiling is what costs.
    text = f"({''.join(f'{annotation},' for annotation in written.values())})"
    found = eval(text, sys.modules[model.__module__].__dict__)
    return dict(zip(written, found, strict=True))


def _setting(model: type, name: str, annotation: Any) -> Setting:
    default = getattr(model, name, _MISSING)
    factory = None
    if isinstance(default, _Made):
        default, factory = _MISSING, default.factory
    if hasattr(annotation, "__metadata__"):
        return Setting(annotation.__origin__, annotation.__metadata__, default, factory)
    return Setting(annotation, (), default, factory)


Section = TypeVar("Section", bound=StrictSettings)


def section(model: type[Section], **given: object) -> Section:
    """Default of a part of the config: as if it stood there with ``given`` and no more."""
    return cast(Section, made(lambda: model(**given)))


PositiveBytes = Annotated[ByteSize, Limits(ge=1)]
PositiveSeconds = Annotated[float, Limits(gt=0, is_finite=True)]


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 host may stand in brackets."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback_host(host: str) -> bool:
    """Say whether a name or an address is this host alone; no name is looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _known_port(listen: str) -> str:
    port = split_listen(listen)[1]
    if port > 65535:
        raise ValueError(f"port {port} does not exist; write one from 0 to 65535")
    return listen


ListenAddress = Annotated[str, Limits(pattern=r"^[^\s]+:[0-9]{1,5}$"), Then(_known_port)]
"""``host:port``; port 0 picks a free one."""
