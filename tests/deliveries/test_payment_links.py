"""Payment links: asked of Stripe with an integration's key, and refused in words that name the caller's own members."""

import asyncio
from functools import partial
from typing import Any

import pytest
import stripe
from aiohttp import web
from connectors.test_stripe_meter import KEY, error
from in_process import Api
from own_database import SHARDS
from processes.test_command_line import as_json, tidings_command
from running import Project, Running
from webhook_receiver import receiving

from deliveries.payment_ground import PRICE, WANTED, Links, ask, metering, problem, service, shop
from deliveries.test_commands import access, integration_of
from tidings.access.projects import create_project
from tidings.deliveries.connectors.stripe_meter.connector import VERSION
from tidings.deliveries.payment_links import stripe as payment_links

__all__ = ["service", "shop"]


async def test_stripe_makes_a_link_of_what_is_wanted(shop: Api, service: Links) -> None:
    answer = await ask(shop, await metering(shop), WANTED)
    assert (answer.status_code, answer.json()) == (201, {"id": "plink_1", "url": "https://buy.stripe.com/test_1"})
    assert service.links == [
        {
            "line_items[0][price]": PRICE,
            "line_items[0][quantity]": "2",
            "metadata[order]": "17",
            "metadata[für]": "Anna & Öl",
            "after_completion[type]": "redirect",
            "after_completion[redirect][url]": "https://shop.example.com/ok?a=1",
        }
    ]
    assert service.versions == [VERSION]


async def test_the_server_of_these_tests_takes_what_stripes_own_library_sends(shop: Api, service: Links) -> None:
    theirs = stripe.StripeClient(KEY, base_addresses={"api": service.url}, max_network_retries=0)
    params: Any = {
        "line_items": [{"price": PRICE, "quantity": 2}],
        "metadata": WANTED["metadata"],
        "after_completion": {"type": "redirect", "redirect": {"url": WANTED["after_completion_url"]}},
    }
    made = await asyncio.to_thread(theirs.v1.payment_links.create, params, {"idempotency_key": "theirs"})
    assert (made.id, made.url) == ("plink_1", "https://buy.stripe.com/test_1")
    await ask(shop, await metering(shop), WANTED)
    one, other = service.links
    assert one == other


async def test_the_same_request_has_the_same_link(shop: Api, service: Links) -> None:
    integration, other = await metering(shop), await metering(shop)
    first = await ask(shop, integration, WANTED)
    again = await ask(shop, integration, WANTED | {"metadata": dict(reversed(WANTED["metadata"].items()))})  # type: ignore[attr-defined]
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert "Idempotency-Replayed" not in first.headers
    for body, by in ((WANTED | {"quantity": 3}, integration), (WANTED, other)):
        assert (await ask(shop, by, body)).json() not in (first.json(), None)
    assert len(service.links) == 3


async def test_the_callers_key_decides_what_is_the_same(shop: Api, service: Links) -> None:
    integration = await metering(shop)
    first, second = [(await ask(shop, integration, WANTED, Idempotency_Key=key)).json()["id"] for key in ("order-17", "order-18")]
    again = await ask(shop, integration, WANTED, Idempotency_Key="order-17")
    assert (first, second, again.json()["id"]) == ("plink_1", "plink_2", "plink_1")
    assert service.asked == ["order-17", "order-18", "order-17"]
    assert problem(await ask(shop, integration, {"price": PRICE}, Idempotency_Key="order-17")) == (422, "Idempotency-Key")
    assert problem(await ask(shop, integration, WANTED, Idempotency_Key="x" * 256)) == (422, "Idempotency-Key")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"price": "price_other"}, "price", "No such price: 'price_other'"),
        ({"price": PRICE, "quantity": 20_000}, "quantity", "Invalid quantity"),
        ({"price": PRICE, "after_completion_url": "https://shop.test/"}, "after_completion_url", "Not a valid URL"),
        ({"price": PRICE, "metadata": {"refused": "1"}}, "metadata", "Not this one"),
    ],
)
async def test_what_stripe_refuses_is_told_with_the_callers_own_member(
    shop: Api, service: Links, body: Any, field: str, words: str
) -> None:
    answer = await ask(shop, await metering(shop), body)
    assert problem(answer) == (422, field)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"price": "prod_1"}, "price"),
        ({"price": PRICE, "quantity": 0}, "quantity"),
        ({"price": PRICE, "currency": "eur"}, "currency"),
        ({"price": PRICE, "after_completion_url": "http://shop.example.com/"}, "after_completion_url"),
        ({"price": PRICE, "after_completion_url": "https://shop.example.com\\@evil.example/"}, "after_completion_url"),
        ({"price": PRICE, "metadata": {"a[b]": "1"}}, "metadata"),
        ({"price": PRICE, "metadata": {"a": ""}}, "metadata[...]"),
        ({"price": PRICE, "metadata": {str(number): "1" for number in range(51)}}, "metadata"),
    ],
)
async def test_what_cannot_be_right_is_refused_before_stripe_is_asked(shop: Api, service: Links, body: Any, field: str) -> None:
    assert problem(await ask(shop, await metering(shop), body)) == (422, field)
    assert not service.asked


async def test_a_key_that_stripe_refuses_is_a_conflict_and_not_shown(shop: Api, service: Links) -> None:
    integration = await metering(shop, "rk_test_other")
    answer = await ask(shop, integration)
    assert problem(answer) == (409, None)
    assert "may write payment links" in answer.json()["detail"]

    await shop.ok("PATCH", f"/v1/integrations/{integration}", {"credentials": {"key": KEY}})
    service.fault = error(
        403, "The provided key 'rk_test_***CDEF' lacks it. Having the 'rak_payment_link_write' permission would allow this."
    )
    answer = await ask(shop, integration)
    assert problem(answer) == (409, None)
    assert "payment links (rak_payment_link_write)" in answer.json()["detail"] and "CDEF" not in answer.text

    # As no service should: it repeats the key.
    service.fault = error(400, f"There is no price of {KEY}.")
    answer = await ask(shop, integration)
    assert problem(answer) == (422, None)
    assert "There is no price of ***." in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (error(409, "in progress", code="idempotency_key_in_use"), 409, "under way"),
        (error(402, "Your account cannot"), 422, "Your account cannot"),
        (error(404, "Unrecognized request URL"), 422, "Unrecognized request URL"),
        (web.Response(status=400, body=b"no JSON"), 422, "400"),
        (error(429, "Too many requests", code="rate_limit"), 503, "too often"),
        (error(500, "An unknown error occurred", "api_error"), 503, "another Idempotency-Key"),
        (web.Response(status=502, body=b"<html>Bad gateway</html>"), 503, "another Idempotency-Key"),
        (web.Response(status=302, headers={"Location": "https://elsewhere.example"}, body=b""), 502, "redirect"),
        (web.Response(body=b"<html>"), 502, "no payment link"),
        (web.json_response({"id": "price_1", "url": "https://buy.stripe.com/1"}), 502, "no payment link"),
    ],
)  # fmt: skip
async def test_what_else_stripe_answers(shop: Api, service: Links, fault: web.Response, status: int, words: str) -> None:
    service.fault = fault
    answer = await ask(shop, await metering(shop))
    assert problem(answer) == (status, None)
    assert words in answer.json()["detail"]
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("address", ["https://pay.shop.example/b/", "https://pay.shop.example:443/b/", "https://buy.stripe.com/#"])
async def test_an_account_may_have_a_domain_of_its_own_for_its_links(shop: Api, service: Links, address: str) -> None:
    service.address = address
    answer = await ask(shop, await metering(shop))
    assert (answer.status_code, answer.json()["url"]) == (201, f"{address}1")


@pytest.mark.parametrize(
    "address",
    [
        *("http://buy.stripe.com/", "ftp://buy.stripe.com/", "javascript:alert(1)//", "//buy.stripe.com/"),
        *("https://a@buy.stripe.com/", "https://buy.stripe.com:8443/", "https://buy.stripe.com\\@evil.example/", "https://2130706433/"),
        *("https://bücher.example/", "https://buy.stripe.com/ä", "https://buy.stripe.com/a b", "https://buy.stripe.com/#a\\", "https:///"),
    ],
)
async def test_an_address_that_leads_elsewhere_than_it_says_is_not_handed_on(shop: Api, service: Links, address: str) -> None:
    service.address = address
    answer = await ask(shop, await metering(shop))
    assert problem(answer) == (502, None)
    assert "plink_1" in answer.json()["detail"] and f"{address}1" not in answer.text


async def test_a_failure_that_stripe_repeats_is_asked_past(shop: Api, service: Links) -> None:
    """It holds a 500 against its key for a day; who sends none of their own could not get past it."""
    integration = await metering(shop)
    service.fault = error(500, "An unknown error occurred", "api_error")
    assert problem(await ask(shop, integration)) == (503, None)
    service.fault = None
    made = await ask(shop, integration)
    assert (made.status_code, len(set(service.asked))) == (201, 2)
    assert (await ask(shop, integration)).json() == made.json()
    assert len(service.links) == 1

    # The caller's own key is not changed.
    service.fault = error(500, "An unknown error occurred", "api_error")
    for _ in range(2):
        assert problem(await ask(shop, integration, Idempotency_Key="mine")) == (503, None)
        service.fault = None
    assert service.asked[-2:] == ["mine", "mine"]


async def test_asking_past_failures_ends(shop: Api, service: Links) -> None:
    integration = await metering(shop)
    service.fault = error(500, "An unknown error occurred", "api_error")
    for _ in range(payment_links.MOST_KEYS + 2):
        assert problem(await ask(shop, integration)) == (503, None)
    assert len(set(service.asked)) == payment_links.MOST_KEYS


async def test_asking_past_failures_takes_no_longer_than_asking_once(shop: Api, service: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    integration = await metering(shop)
    service.fault = error(500, "An unknown error occurred", "api_error")
    for _ in range(payment_links.MOST_KEYS):
        await ask(shop, integration)
    service.asked.clear()
    service.takes_s = 0.2
    monkeypatch.setattr(payment_links, "ANSWERS_WITHIN_S", 0.5)
    answer = await ask(shop, integration)
    assert problem(answer) == (503, None)
    assert "took longer than" in answer.json()["detail"]
    assert len(service.asked) < payment_links.MOST_KEYS


async def test_a_lost_answer_is_got_by_asking_again(shop: Api, service: Links) -> None:
    integration = await metering(shop)
    service.is_silent = True
    answer = await ask(shop, integration)
    assert problem(answer) == (503, None)
    assert "no second is made" in answer.json()["detail"] and answer.headers["Retry-After"]
    service.is_silent = False
    assert (await ask(shop, integration)).json()["id"] == "plink_1"
    assert len(service.links) == 1


async def test_a_stripe_that_hangs_is_not_waited_for(shop: Api, service: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment_links, "ANSWERS_WITHIN_S", 0.3)
    integration = await metering(shop)
    service.is_hanging = True
    answer = await asyncio.wait_for(ask(shop, integration), 20)
    assert problem(answer) == (503, None)
    assert "longer than 0.3 s" in answer.json()["detail"]
    service.is_hanging = False
    monkeypatch.setattr(payment_links, "ANSWERS_WITHIN_S", 20)
    assert (await ask(shop, integration)).json()["id"] == "plink_1"
    assert len(service.links) == 1


async def test_nobody_at_stripes_address(shop: Api, service: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment_links, "BASE", "http://127.0.0.1:9")
    assert problem(await ask(shop, await metering(shop))) == (503, None)


async def test_only_an_integration_of_stripe_makes_links(shop: Api, service: Links) -> None:
    slack = {"connector": "slack", "credentials": {"url": "https://hooks.slack.com/services/T0/B0/abcdefghijkl"}}
    made = (await shop.ok("POST", "/v1/integrations", slack))["id"]
    answer = await ask(shop, made)
    assert problem(answer) == (409, None)
    assert "slack" in answer.json()["detail"] and "stripe_meter" in answer.json()["detail"]
    endpoint = (await shop.ok("POST", "/v1/endpoints", {"url": "https://hooks.example.com/", "events": ["*"]}))["id"]
    assert problem(await ask(shop, endpoint)) == (404, None)
    assert not service.asked


async def test_an_integration_of_another_project_or_that_was_deleted_is_not_there(shop: Api, service: Links) -> None:
    integration = await metering(shop)
    _, others = await create_project(shop.database, "others", SHARDS)
    assert problem(await ask(shop, integration, key=others)) == (404, None)
    await shop.ok("DELETE", f"/v1/integrations/{integration}")
    assert problem(await ask(shop, integration)) == (404, None)
    assert not service.asked


async def test_it_takes_the_scope_of_who_sets_integrations_up(shop: Api, service: Links) -> None:
    integration = await metering(shop)
    may_not = await shop.key("integrations:read", "notifications:write")
    assert problem(await ask(shop, integration, key=may_not)) == (403, None)
    assert not service.asked
    assert (await ask(shop, integration, key=await shop.key("integrations:write"))).status_code == 201


async def test_at_the_command_line(tidings: Running, project: Project) -> None:
    asked = ("integrations", "payment-link", "int_1", "--price", PRICE, "--quantity", "3")
    async with receiving() as receiver:
        receiver.answer(201, "/v1/integrations/int_1/payment-links", '{"id": "plink_1", "url": "https://buy.stripe.com/test_1"}')
        there = {"TIDINGS_API_KEY": "tdk_1", "TIDINGS_PUBLIC_URL": receiver.base_url}
        code, out, _ = await tidings_command(*asked, **there)
        assert (code, out.strip()) == (0, "https://buy.stripe.com/test_1")
        assert (await partial(as_json, **there)(*asked))["id"] == "plink_1"
        assert [got.message for got in receiver.got] == [{"price": PRICE, "quantity": 3}] * 2
    # And what the real API says to it.
    other = await integration_of(tidings, project)
    for arguments, ended, words in (
        (asked[:3], 2, "--price"),
        (asked, 1, "There is no integration 'int_1'"),
        (("integrations", "payment-link", other, "--price", PRICE), 1, "is one of post"),
        (("integrations", "payment-link", other, "--price", "prod_1"), 1, "price"),
    ):
        code, _, err = await tidings_command(*arguments, **access(project))
        assert (code, words in err) == (ended, True), err
