"""Arguments: payload, headers and tokens on their way into a handler."""

import datetime as dt
import enum
import uuid
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from tests.unit.apps import application, running
from wireloom import (
    Context,
    Controller,
    Event,
    EventPattern,
    Header,
    InvalidHandlerError,
    MessagePattern,
    Rpc,
    RpcError,
    codec,
)
from wireloom.binding.arguments import payload_reader
from wireloom.binding.parameters import Parameter, Source
from wireloom.errors import InvalidPayloadError
from wireloom.pattern import Pattern
from wireloom.spi import Delivery, Kind, Message, Origin


class Color(enum.Enum):
    RED = "red"


class User(BaseModel):
    id: int


class TestPayload:
    async def test_empty_body_is_the_default_and_null_is_none(self) -> None:
        @MessagePattern("get")
        async def get(value: int | None = 7) -> int | None:
            return value

        async with running(get) as bus:
            assert await bus.send("get") == 7
            assert await bus.send("get", None) is None
            assert await bus.send("get", 5) == 5

    async def test_empty_body_without_a_default_is_refused(self) -> None:
        @MessagePattern("get")
        async def get(value: int | None) -> int | None:
            return value

        async with running(get) as bus:
            with pytest.raises(RpcError, match="INVALID_ARGUMENT: the payload is missing"):
                await bus.send("get")
            assert await bus.send("get", None) is None

    async def test_handler_without_a_payload_takes_any_body(self) -> None:
        @MessagePattern("get")
        async def get() -> int:
            return 1

        async with running(get) as bus:
            assert await bus.send("get") == 1
            assert await bus.send("get", {"any": "thing"}) == 1

    async def test_invalid_payload_names_the_field(self) -> None:
        @MessagePattern("get")
        async def get(user: User) -> None: ...

        async with running(get) as bus:
            with pytest.raises(RpcError) as caught:
                await bus.send("get", {"id": "s3cret"})
        assert caught.value.code == "INVALID_ARGUMENT"
        assert caught.value.details[0]["loc"] == ["id"]
        assert "s3cret" not in repr(vars(caught.value))

    async def test_message_s_own_content_type_decides_the_codec(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Reversed:
            content_type = "text/reversed"

            def encoder(self, type: Any, *, check: bool = False) -> codec.Encode:
                return lambda value: str(value)[::-1].encode()

            def decoder(self, type: Any) -> codec.Decode:
                return lambda body: type(body[::-1].decode())

        monkeypatch.setattr(codec, "_CODECS", {**codec._CODECS, "text/reversed": Reversed()})

        @MessagePattern("get")
        async def get(value: str) -> str:
            return value

        async with running(get) as bus:
            assert (
                await bus.send("get", "abc", headers={"content-type": "text/reversed"}) == '"cba"'
            )
            assert await bus.send("get", "abc") == "abc"
            with pytest.raises(RpcError, match="INVALID_ARGUMENT: unknown content type"):
                await bus.send("get", "abc", headers={"content-type": "text/other"})

    def test_spellings_that_a_peer_makes_up_cost_no_memory_and_no_compiling(self) -> None:
        made: list[Any] = []

        class Counting(codec.JsonCodec):
            def decoder(self, type: Any) -> codec.Decode:
                made.append(type)
                return super().decoder(type)

        read = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "_CODECS", {codec.JSON: Counting()})
            parameter = Parameter("x", Source.PAYLOAD, int, 0)
            read = payload_reader(parameter, codec.JSON)
            for number in range(100):
                headers = {"content-type": f"application/json; x={number}"}
                message = Message(Kind.EVENT, "a", b"5", headers, "i")
                origin = Origin(Pattern("a"), "t", "memory", "s")
                assert read(Context(Delivery(message), origin)) == 5
        assert made == [int]


class TestHeaders:
    async def test_header_is_converted_to_its_type(self) -> None:
        @MessagePattern("get")
        async def get(
            number: Annotated[int, Header("number")],
            color: Annotated[Color, Header("color")],
            at: Annotated[dt.datetime, Header("at")],
            flag: Annotated[bool, Header("flag")],
            text: Annotated[str, Header("text")] = "default",
            maybe: Annotated[int | None, Header("maybe")] = None,
        ) -> list[Any]:
            return [number, color, at.year, flag, text, maybe]

        async with running(get) as bus:
            headers = {"number": "5", "color": "red", "at": "2024-01-02T03:04:05Z", "flag": "true"}
            assert await bus.send("get", headers=headers) == [5, "red", 2024, True, "default", None]
            more = {**headers, "text": "", "maybe": "7"}
            assert await bus.send("get", headers=more) == [5, "red", 2024, True, "", 7]

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ({}, "header 'number' is missing"),
            ({"number": "x"}, "header 'number': .*valid integer"),
            ({"number": "-5"}, "header 'number': .*greater than 0"),
        ],
    )
    async def test_header_that_is_missing_or_wrong_is_refused_by_name(
        self, headers: dict[str, str], said: str
    ) -> None:
        @MessagePattern("get")
        async def get(number: Annotated[int, Field(gt=0), Header("number")]) -> int:
            return number

        async with running(get) as bus:
            with pytest.raises(RpcError, match=f"INVALID_ARGUMENT: {said}"):
                await bus.send("get", headers=headers)


class TestTokens:
    async def test_token_is_converted_to_its_type(self) -> None:
        @MessagePattern("user.{id}.{color}.{key}")
        async def get(id: int, color: Color, key: uuid.UUID, payload: int = 0) -> list[Any]:
            return [id, color, str(key), payload]

        key = str(uuid.UUID(int=5))
        async with running(get) as bus:
            assert await bus.send(f"user.7.red.{key}", 1) == [7, "red", key, 1]
            with pytest.raises(RpcError, match=r"INVALID_ARGUMENT: token \{id\}"):
                await bus.send(f"user.x.red.{key}")

    async def test_contract_fills_its_tokens(self) -> None:
        got = Rpc("user.{id}", request=int, response=int)

        @MessagePattern(got)
        async def get(id: int, factor: int) -> int:
            return id * factor

        async with running(get) as bus:
            assert await bus.send(got.at(id=7), 6) == 42


class TestShapes:
    async def test_keyword_only_parameters_are_filled(self) -> None:
        @MessagePattern("one")
        async def one(*, value: int) -> int:
            return value

        @MessagePattern("two")
        def two(ctx: Context, *, value: int) -> int:
            return value + len(ctx.body)

        async with running(one, two) as bus:
            assert await bus.send("one", 5) == 5
            assert await bus.send("two", 5) == 6

    async def test_any_number_of_parameters_is_filled_in_any_order(self) -> None:
        @Controller()
        class Many:
            @MessagePattern("m.{a}.{b}")
            async def many(
                self,
                value: int,
                b: str,
                ctx: Context,
                a: int,
                h: Annotated[str, Header("h")] = "x",
            ) -> list[Any]:
                return [value, b, ctx.address, a, h]

        async with running(controllers=[Many]) as bus:
            assert await bus.send("m.1.z", 9) == [9, "z", "m.1.z", 1, "x"]

    async def test_plain_function_around_an_async_one_is_awaited(self) -> None:
        async def inner(value: int) -> int:
            return value * 2

        @MessagePattern("get")
        def get(value: int) -> Any:
            return inner(value)

        async with running(get) as bus:
            assert await bus.send("get", 4) == 8


class TestAgreement:
    @pytest.mark.parametrize(
        ("annotation", "stated"), [(int, User), (User, list[User]), (User | None, User)]
    )
    def test_payload_that_disagrees_with_the_contract_is_refused(
        self, annotation: Any, stated: Any
    ) -> None:
        async def handler(payload: Any) -> None: ...

        handler.__annotations__["payload"] = annotation
        for mark in (EventPattern(Event("e", stated)), MessagePattern(Rpc("r", stated, None))):
            with pytest.raises(InvalidHandlerError, match=r"parameter 'payload' is annotated"):
                application(mark(handler)).check()
            del handler.__wireloom_marks__  # type: ignore[attr-defined]

    def test_result_that_disagrees_with_the_contract_is_refused(self) -> None:
        @MessagePattern(Rpc("r", request=int, response=User))
        async def handler(payload: int) -> str:
            return ""

        with pytest.raises(InvalidHandlerError, match=r"handler \(.*\): the result is annotated"):
            application(handler).check()

    async def test_contract_gives_the_types_where_annotations_are_missing(self) -> None:
        @MessagePattern(Rpc("r", request=User, response=User))
        async def handler(payload):  # type: ignore[no-untyped-def]
            assert isinstance(payload, User)
            return payload

        async with running(handler) as bus:
            assert await bus.send("r", {"id": 5}) == {"id": 5}

    async def test_none_in_a_contract_agrees_with_none_in_an_annotation(self) -> None:
        run = Rpc("run", request=int, response=None)

        @MessagePattern(run)
        async def handler(payload: int) -> None: ...

        async with running(handler) as bus:
            assert await bus.send(run, 5) is None

    async def test_constraints_may_be_added_to_the_contract_s_type(self) -> None:
        @EventPattern(Event("e", int))
        async def handler(payload: Annotated[int, Field(gt=0)]) -> None: ...

        async with running(handler):
            pass

    def test_type_that_no_codec_knows_is_refused_at_start(self) -> None:
        class Opaque: ...

        @MessagePattern("a")
        async def takes(payload: Opaque) -> None: ...

        @MessagePattern("b")
        async def gives() -> Opaque:
            return Opaque()

        for handler in (takes, gives):
            with pytest.raises(InvalidHandlerError, match=r"its types cannot be compiled.*Opaque"):
                application(handler).check()


def test_decoding_error_is_an_invalid_payload() -> None:
    read = payload_reader(Parameter("x", Source.PAYLOAD, int, 0), codec.JSON)
    message = Message(Kind.EVENT, "a", b"{", {}, "i")
    with pytest.raises(InvalidPayloadError):
        read(Context(Delivery(message), Origin(Pattern("a"), "t", "memory", "s")))
