"""The container, on dishka. No other module imports dishka."""

import inspect
from collections.abc import Hashable, Mapping, Sequence
from types import TracebackType
from typing import Annotated, Any

from dishka import (
    AsyncContainer,
    FromComponent,
    Provider,
    Scope,
    make_async_container,
)
from dishka.entities.key import DependencyKey
from dishka.exception_base import DishkaError
from dishka.exceptions import NoFactoryError
from dishka.provider import BaseProvider

from wireloom.container.factories import as_factory, place_of
from wireloom.container.providers import Provided, provided
from wireloom.errors import ConfigurationError, UnknownTransportError
from wireloom.spi import Context

__all__ = ["Container"]

_SCOPES = {"app": Scope.APP, "request": Scope.REQUEST}


class _ByToken:
    """What a token's component provides, whatever type the asking annotation names."""


class RequestScope:
    """What one call needs: made on entering, cleaned up on leaving, however the call ended."""

    # A class, since a context manager made of a generator costs more than what it opens.
    __slots__ = ("_scope", "_wanted")

    def __init__(self, scope: AsyncContainer, wanted: Mapping[str, tuple[Any, str]]) -> None:
        self._scope = scope
        self._wanted = wanted

    async def __aenter__(self) -> dict[str, Any]:
        """Make what is wanted; return it by parameter name."""
        try:
            return {
                name: await _get(self._scope, hint, token)
                for name, (hint, token) in self._wanted.items()
            }
        except BaseException as error:
            await self._scope.close(error)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clean up in reverse order."""
        await self._scope.close(error)


async def _get(scope: AsyncContainer, hint: Any, token: str) -> Any:
    return await scope.get(_ByToken, token) if token else await scope.get(hint)


class Container:
    """Builds and holds the application's objects. The graph is checked when it is created.

    Objects of the "app" scope are made on first use and closed by `close`; those of the "request"
    scope by `open`, for one call.
    """

    def __init__(
        self, entries: Sequence[Any], overrides: Mapping[Any, object] | None = None
    ) -> None:
        """Read what `providers=` holds.

        :raises ConfigurationError: if something that is needed is not provided.
        """
        own = [provided(entry) for entry in entries if not isinstance(entry, BaseProvider)]
        foreign = [entry for entry in entries if isinstance(entry, BaseProvider)]
        own += [_override(key, value) for key, value in (overrides or {}).items()]
        self._known = {_type_of(entry) for entry in own if entry.token is None}
        self._known |= {factory.provides.type_hint for one in foreign for factory in one.factories}
        self._known.add(Context)
        self._tokens = sorted({entry.token for entry in own if entry.token is not None})
        try:
            providers = [*foreign, *map(self._provider, own), _contexts()]
            self._container: AsyncContainer = make_async_container(*providers)
        except ConfigurationError:
            raise
        except NoFactoryError as error:
            raise _missing(error, own) from error
        except (DishkaError, TypeError, ValueError, NameError) as error:
            raise ConfigurationError(
                f"the container cannot be built: {error}",
                remedy="list what is missing in providers=[...], or give the parameter a default",
            ) from error

    def knows(self, hint: Any, token: str = "") -> bool:
        """Tell whether something is provided under this type, or token."""
        return self._factory(hint, token) is not None

    def needs_request_scope(self, hint: Any, token: str = "") -> bool:
        """Tell whether it is made for each call."""
        factory = self._factory(hint, token)
        return factory is not None and factory.scope is not Scope.APP

    @property
    def tokens(self) -> list[str]:
        """Return every token under which something is provided."""
        return self._tokens

    async def get(self, hint: Any, token: str = "") -> Any:
        """Return an object of the "app" scope."""
        return await _get(self._container, hint, token)

    def open(self, context: Context, wanted: Mapping[str, tuple[Any, str]]) -> "RequestScope":
        """Open a request scope for what is wanted, by parameter name: a type and a token."""
        return RequestScope(self._container(context={Context: context}), wanted)

    async def close(self) -> None:
        """Close what was made, in reverse order."""
        await self._container.close()

    def _factory(self, hint: Any, token: str) -> Any:
        key = DependencyKey(_ByToken, token) if token else DependencyKey(hint, "")
        registry = self._container.registry
        while registry is not None:
            try:
                if key in registry.factories:
                    return registry.factories[key]
            except TypeError:  # an annotation that cannot be hashed is nothing that is provided
                return None
            registry = registry.child_registry  # type: ignore[assignment]
        return None

    def _is_known(self, hint: Any) -> bool:
        return isinstance(hint, Hashable) and hint in self._known

    def _wanted(self, hint: Any, token: str, where: str) -> Any:
        if not token:
            return Annotated[hint, FromComponent("")]
        if token not in self._tokens:
            raise UnknownTransportError(token, installed=self._tokens, noun="token", where=where)
        return Annotated[_ByToken, FromComponent(token)]

    def _provider(self, entry: Provided) -> Provider:
        provider = Provider(scope=_SCOPES[entry.scope], component=entry.token or "")
        key = _ByToken if entry.token else _type_of(entry)
        if entry.is_value:
            value = entry.source
            provider.provide(lambda: value, provides=key)
        else:
            returns = None if entry.type or entry.token or inspect.isclass(entry.source) else key
            provider.provide(
                as_factory(entry.source, self._wanted, self._is_known, returns), provides=key
            )
        return provider


def _type_of(entry: Provided) -> Any:
    if entry.type is not None:
        return entry.type
    if entry.is_value:
        return type(entry.source)
    if inspect.isclass(entry.source):
        return entry.source
    made = inspect.signature(entry.source, eval_str=True).return_annotation
    if made is inspect.Signature.empty:
        if entry.token is not None:
            return object
        raise ConfigurationError(
            f"{entry.source!r} does not say what it makes",
            remedy="annotate what it returns, or give provide(..., type=...)",
        )
    arguments = getattr(made, "__args__", ())
    generator = inspect.isgeneratorfunction(entry.source) or inspect.isasyncgenfunction(
        entry.source
    )
    return arguments[0] if generator and arguments else made


def _missing(error: NoFactoryError, own: Sequence[Provided]) -> ConfigurationError:
    """Return dishka's complaint in terms of what the user wrote."""
    asking = error.path[-1].provides if error.path else None
    places = [
        place_of(entry.source)
        for entry in own
        if asking is not None
        and (entry.token or "") == asking.component
        and asking.type_hint in (_ByToken, _type_of(entry))
    ]
    wanted = error.requested.type_hint
    return ConfigurationError(
        f"nothing provides {getattr(wanted, '__qualname__', wanted)}, which it asks for",
        where=places[-1] if places else "",
        remedy="list what makes it in providers=[...], or give the parameter a default",
    )


def _override(key: Any, value: object) -> Provided:
    if isinstance(key, str):
        return Provided(value, True, key, None, "app")
    return Provided(value, True, None, key, "app")


def _contexts() -> Provider:
    provider = Provider(scope=Scope.REQUEST)
    provider.from_context(provides=Context, scope=Scope.REQUEST)
    return provider
