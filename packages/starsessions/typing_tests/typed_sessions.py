"""Sessions with a shape, FastAPI dependencies and the contract for stores, as a user writes them."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, assert_type

import pytest
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from typing_extensions import TypedDict

from starsessions import InMemoryStore, SessionMiddleware
from starsessions.fastapi import SessionDict, session_of, typed_session_of
from starsessions.testing import SessionStoreContract, SessionTime, session_cookies
from starsessions.typed import TypedSession, load_typed_session


@dataclasses.dataclass
class Cart:
    items: list[str] = dataclasses.field(default_factory=list)


class Login(BaseModel):
    user: str


class Settings(TypedDict, total=False):
    theme: str


api = FastAPI()
api.add_middleware(SessionMiddleware, store=InMemoryStore(), lifetime=3600)


@api.post("/login")
def login(user: str, session: Annotated[TypedSession[Login], Depends(typed_session_of(Login))]) -> None:
    assert_type(session.value, Login | None)
    session.value = Login(user=user)


@api.post("/cart")
def add(
    item: str,
    cart: Annotated[Cart, Depends(session_of(Cart))],
    visitor: Annotated[Login | None, Depends(session_of(Login, required=False))],
    settings: Annotated[Settings, Depends(session_of(Settings, key="settings"))],
    session: SessionDict,
) -> list[str]:
    session["seen"] = True
    settings["theme"] = visitor.user if visitor else "light"
    cart.items.append(item)
    return cart.items


async def plain(request: Request) -> None:
    assert_type((await load_typed_session(request, Cart)).value, Cart | None)
    assert_type(await session_of(Cart)(request), Cart)
    assert_type(await session_of(Cart, required=False)(request), Cart | None)
    assert_type((await typed_session_of(Login, key="login")(request)).value, Login | None)


class TestStore(SessionStoreContract):
    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()


async def cookies(session_time: SessionTime, data: dict[str, Any]) -> None:
    session_time.advance(60)
    assert_type(await session_cookies(InMemoryStore(), data, lifetime=60), dict[str, str])
