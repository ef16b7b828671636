"""A tab gets every event once and in order, whatever happens to the network, the server and its token."""

import asyncio

import pytest
from client.conftest import NewTab
from client.tab import Tab
from running import Project, Running, until

WAYS = ["fetch", "eventsource", "poll"]


@pytest.mark.parametrize("way", WAYS)
async def test_events_arrive_by_each_way(new: NewTab, project: Project, way: str) -> None:
    tab = await (await new()).connected(transports=[way])
    for title in ("one", "two", "three"):
        await project.publish(title, ["alice"])
    await tab.has_heard("one", "two", "three")
    assert (await tab.state())["transport"] == way


@pytest.mark.parametrize("way", WAYS)
async def test_counts_are_told_by_each_way(new: NewTab, project: Project, way: str) -> None:
    tab = await (await new()).connected(transports=[way])
    await project.publish("stays", ["alice"])
    goes = await project.publish("goes", ["alice"])
    await until(lambda: has_counts(tab, 2), 15, "two are counted")
    await project.call("DELETE", f"/v1/notifications/{goes}")
    await until(lambda: has_counts(tab, 1), 15, "one is counted")
    await tab.has_heard("stays", "goes")


async def has_counts(tab: Tab, number: int) -> bool:
    """Whether the newest that it was told say that so many are there, and new."""
    told = await tab.page.evaluate("heard.filter((one) => one.name === 'inbox.counts').at(-1)?.data")
    return bool(told == {"total": number, "unseen": number, "unread": number})


@pytest.mark.parametrize("way", WAYS)
async def test_a_tab_that_was_offline_gets_what_it_missed(new: NewTab, project: Project, way: str) -> None:
    tab = await (await new()).connected(transports=[way])
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await tab.offline(True)

    async def is_off() -> bool:
        return (await tab.state())["name"] == "offline"

    await until(is_off, 15)
    await project.publish("meanwhile", ["alice"])
    await tab.offline(False)
    await tab.live()
    await project.publish("after", ["alice"])
    await tab.has_heard("before", "meanwhile", "after")


async def test_a_cursor_is_good_for_every_way(new: NewTab, project: Project) -> None:
    """Exact resume across all three: the next one goes on where the one before stood."""
    tab = await (await new()).connected(transports=["fetch"], share=False)
    titles = ["first"]
    await project.publish("first", ["alice"])
    await tab.has_heard("first")
    for way in ("poll", "eventsource", "fetch", "poll"):
        await tab.page.evaluate("window.before = connection.cursor; connection.close()")
        titles.append(f"between, for {way}")
        await project.publish(titles[-1], ["alice"])
        cursor = await tab.page.evaluate("before")
        await tab.connected(transports=[way], share=False, cursor=cursor)
        titles.append(f"live by {way}")
        await project.publish(titles[-1], ["alice"])
        await tab.has_heard(*titles)


async def test_a_server_that_restarts_costs_nothing(new: NewTab, project: Project, tidings: Running) -> None:
    tab = await (await new()).connected()
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await tidings.api.restart()
    await tidings.api.ready()
    await project.publish("after", ["alice"])
    await tab.has_heard("before", "after", within=30)
    assert (await tab.state())["transport"] == "fetch"


async def test_a_server_that_is_killed_costs_nothing(new: NewTab, project: Project, tidings: Running) -> None:
    tab = await (await new()).connected()
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await tidings.api.kill()
    await tidings.api.start()
    await tidings.api.ready()
    await project.publish("after", ["alice"])
    await tab.has_heard("before", "after", within=30)


async def test_a_stream_outlives_its_token_without_an_end(new: NewTab, project: Project) -> None:
    """Tokens of six seconds: it is renewed half way, and so never ends."""
    tab = await (await new(ttl=6)).connected()
    titles = []
    for number in range(4):
        titles.append(f"number {number}")
        await project.publish(titles[-1], ["alice"])
        await tab.has_heard(*titles)
        await asyncio.sleep(2.5)  # past a token's life in all: time itself is what is tested
    assert (await tab.states()).count("live") == 1


async def test_a_stream_whose_token_expired_opens_anew_and_nothing_is_missed(new: NewTab, project: Project) -> None:
    """It cannot be renewed here, so it ends with its token."""
    tab = await new(ttl=3)
    await tab.page.route("**/v1/stream/renew", lambda route: asyncio.ensure_future(route.abort()))
    await tab.connected()
    titles: list[str] = []
    while (await tab.states()).count("live") < 3:
        titles.append(f"number {len(titles)}")
        await project.publish(titles[-1], ["alice"])
        await asyncio.sleep(0.5)
    await tab.has_heard(*titles)


async def test_a_revoked_token_is_replaced_and_nothing_is_missed(new: NewTab, project: Project) -> None:
    tab = await (await new()).connected()
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await project.call("POST", "/v1/subscribers/alice/tokens/revoke")
    await project.publish("after", ["alice"])
    await tab.has_heard("before", "after")


async def test_the_only_token_that_is_refused_closes_the_connection_and_says_why(new: NewTab, project: Project) -> None:
    tab = await new()
    await tab.connect(token="nonsense")

    async def is_closed() -> bool:
        return (await tab.state())["name"] == "closed"

    await until(is_closed, 10)
    assert "token" in (await tab.state())["why"].lower()


@pytest.mark.parametrize("way", WAYS)
async def test_a_page_of_another_origin_is_served_too(new: NewTab, project: Project, way: str) -> None:
    page_at = project.base_url.replace("127.0.0.1", "localhost")
    tab = await (await new(base_url=page_at)).connected(url=project.base_url, transports=[way])
    await project.publish("across", ["alice"])
    await tab.has_heard("across")


async def test_a_listener_that_fails_costs_the_others_nothing(new: NewTab, project: Project) -> None:
    tab = await new()
    await tab.connect(transports=["fetch"])
    await tab.page.evaluate("void connection.on('notification', () => { throw new Error('of the page') })")
    await tab.live()
    for title in ("one", "two"):
        await project.publish(title, ["alice"])
    await tab.has_heard("one", "two")


async def test_a_connection_that_was_closed_hears_no_more_and_frees_its_stream(new: NewTab, project: Project) -> None:
    tab = await (await new()).connected()
    await project.publish("one", ["alice"])
    await tab.has_heard("one")
    await tab.page.evaluate("connection.close()")
    assert (await tab.state())["name"] == "closed"
    await project.publish("two", ["alice"])
    await tab.connected()
    await tab.has_heard("one", "two")


async def test_a_paused_connection_frees_its_stream_and_goes_on_where_it_was(new: NewTab, project: Project) -> None:
    tab = await (await new()).connected()
    await project.publish("before", ["alice"])
    await tab.has_heard("before")
    await tab.page.evaluate("connection.pause()")
    assert (await tab.state())["name"] == "paused"
    await project.publish("meanwhile", ["alice"])
    await tab.page.evaluate("connection.start()")
    await tab.has_heard("before", "meanwhile")


async def test_what_a_listener_closed_before_it_was_handed_out_comes_next_time(new: NewTab, project: Project) -> None:
    """Three events in one piece, and the first one's listener closes the connection: the other two were never told."""
    tab = await (await new()).connected()
    await tab.page.evaluate("void connection.on('notification', () => connection.close())")
    batch = [{"to": ["alice"], "title": title} for title in ("one", "two", "three")]
    await project.call("POST", "/v1/notifications/batch", {"notifications": batch})
    await tab.has_heard("one")
    await tab.connected()
    await tab.has_heard("one", "two", "three")


async def test_a_cursor_that_the_server_does_not_know_is_a_reset_and_nothing_falls_behind_it(new: NewTab, project: Project) -> None:
    tab = await new()
    await tab.connect(cursor="nonsense")
    await until(lambda: was_reset(tab), 10)
    # The page reads its inbox now; what comes from here on is streamed.
    await project.publish("after the reset", ["alice"])
    await tab.has_heard("after the reset")


async def was_reset(tab: Tab) -> bool:
    return bool(await tab.page.evaluate("heard.some((one) => one.name === 'reset')"))


async def test_a_reset_that_was_cut_off_after_ready_is_told_all_the_same(new: NewTab, project: Project) -> None:
    """`ready` comes first and names the head; only the reset that follows may move the cursor there."""
    tab = await new()
    cut = """() => {
      const real = window.fetch;
      let cuts = 1;
      window.fetch = async (...request) => {
        const response = await real(...request);
        if (!String(request[0]).includes("/v1/stream?") || cuts-- <= 0) return response;
        const reader = response.body.getReader();
        const text = new TextDecoder().decode((await reader.read()).value);
        await reader.cancel();
        return new Response(text.slice(0, text.indexOf("event: reset") + 5), { headers: response.headers });
      };
    }"""
    await tab.page.evaluate(cut)
    await tab.connect(cursor="anotherepoch.5", transports=["fetch"])
    await until(lambda: was_reset(tab), 20)


async def test_a_token_that_never_comes_does_not_outlive_the_connection(new: NewTab, project: Project) -> None:
    """It held the lock of all tabs, and the next one waited for ever."""
    first = await new()
    await first.page.evaluate("""async () => {
      const token = await freshToken();
      let asked = 0;
      open_({ token: () => (asked++ ? new Promise(() => undefined) : token) });
    }""")
    await first.live()
    second = await (await new()).connected()
    # The leader's token is refused, and there is no other: it waits for one.
    await project.call("POST", "/v1/subscribers/alice/tokens/revoke")
    await first.page.evaluate("connection.close()")
    await second.live()
    await project.publish("through the second", ["alice"])
    await second.has_heard("through the second")
